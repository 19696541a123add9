/** Hosts without threads: they live in the same process, and messages reach them through virtual time. */
import type { Host } from '../../src/host/host.js';
import type { HostLink, Threads } from '../../src/ports/threads.js';
import type { HostToMain, MainToHost } from '../../src/protocol/messages.js';
import type { Life, VirtualTime } from '../../src/testing/virtual-time.js';
import type { Network } from './network.js';
import type { SimProcess } from './process.js';

export interface ThreadTerms {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly process: SimProcess;
  /** Longest ordinary delay of a message, ms. */
  readonly delayMs: number;
  /** Builds the host of a slot. */
  readonly host: (slot: number, thread: SimThread) => Host;
  /** The main thread has said this to a slot. */
  readonly said: (slot: number, message: MainToHost) => void;
  /** A host says this, and the main thread hears it. */
  readonly told: (who: string, message: HostToMain) => void;
  readonly heard: (message: HostToMain) => void;
}

const BOOT_MS = 30;
const EXIT_MS = 4;

/** One thread and its two ports. Order of messages is kept both ways; with its end, what is under way is lost. */
export class SimThread implements Life, HostLink {
  readonly slot: number;
  readonly who: string;
  readonly exited: Promise<Error | undefined>;
  readonly #terms: ThreadTerms;
  readonly #receive: (message: HostToMain) => void;
  #host: Host | undefined;
  #runs = true;
  #exit: (error: Error | undefined) => void = () => undefined;
  #toHost = 0;
  #toMain = 0;
  /** Nothing of it arrives any more. */
  #closed = false;

  constructor(terms: ThreadTerms, slot: number, receive: (message: HostToMain) => void) {
    this.#terms = terms;
    this.slot = slot;
    this.who = `${terms.process.name}/${slot}`;
    this.#receive = receive;
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
    terms.time.after(terms.network.delay(BOOT_MS), this, () => {
      this.#host = terms.host(slot, this);
      this.say({ kind: 'started' });
    });
  }

  get isAlive(): boolean {
    return this.#runs && this.#terms.process.isAlive;
  }

  get pausedUntil(): number {
    return this.#terms.process.pausedUntil;
  }

  /** From the main thread. */
  post(message: MainToHost): void {
    const { time, network, process, delayMs, said } = this.#terms;
    if (!network.leaves(process, process, process.name, 'post', message.kind, this.slot, numberOf(message))) return;
    said(this.slot, message);
    this.#toHost = Math.max(this.#toHost, time.now + network.delay(delayMs));
    time.at(this.#toHost, this, () => this.#host?.receive(message));
  }

  /** From the host. */
  say(message: HostToMain): void {
    const { time, network, process, delayMs, told, heard } = this.#terms;
    if (!network.leaves(process, this, this.who, 'told', message.kind, this.slot, numberOf(message))) return;
    told(this.who, message);
    this.#toMain = Math.max(this.#toMain, time.now + network.delay(delayMs));
    time.at(this.#toMain, process, () => {
      if (this.#closed) return;
      heard(message);
      this.#receive(message);
    });
    if (message.kind === 'drained') this.end(undefined);
  }

  async terminate(): Promise<void> {
    this.end(new Error('terminated'));
    await this.exited;
  }

  /** Ends the thread at once; the main thread learns of it a little later. */
  end(error: Error | undefined): void {
    if (!this.#runs) return;
    this.#runs = false;
    const { time, network, process } = this.#terms;
    this.#toMain = Math.max(this.#toMain, time.now + network.delay(EXIT_MS));
    time.at(this.#toMain, process, () => {
      this.#closed = true;
      this.#exit(error);
    });
  }
}

export class SimThreads implements Threads {
  readonly #terms: ThreadTerms;
  /** The newest thread of each slot. */
  readonly threads = new Map<number, SimThread>();

  constructor(terms: ThreadTerms) {
    this.#terms = terms;
  }

  start(slot: number, receive: (message: HostToMain) => void): HostLink {
    const thread = new SimThread(this.#terms, slot, receive);
    this.threads.set(slot, thread);
    return thread;
  }

  async close(): Promise<void> {
    for (const thread of this.threads.values()) thread.end(undefined);
    await Promise.all([...this.threads.values()].map((thread) => thread.exited));
  }
}

/** What of a message is worth a line of the trace. */
function numberOf(message: MainToHost | HostToMain): number {
  switch (message.kind) {
    case 'batch':
      return message.anchor.sequence * 1_000 + message.count;
    case 'mark':
      return message.anchor.sequence;
    case 'claim':
      return message.partition * 1_000 + message.epoch;
    case 'run':
      return message.partition * 1_000_000 + message.position.floor;
    case 'gap':
      return message.first * 1_000 + message.last;
    case 'done':
      return message.count;
    case 'halt':
    case 'published':
    case 'claimed':
    case 'refused':
    case 'stopped':
    case 'outputs':
      return message.partition;
    default:
      return 0;
  }
}
