/** A node's process and its threads in a test: they live in this one, and virtual time decides when they act. */
import type { Host } from '../host/host.js';
import type { Clock } from '../ports/clock.js';
import type { HostLink, Threads } from '../ports/threads.js';
import type { HostToMain, MainToHost } from '../protocol/messages.js';
import type { Life, VirtualTime } from './virtual-time.js';

/** Builds the host of a slot; `say` is its way to the main thread. */
export type MakeHost = (slot: number, thread: Life, say: (message: HostToMain) => void) => Host;

/** Wall clock of virtual time 0: a fixed moment, so that every run of a test sees the same times. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

/** Dies and stands still when a test says so; with it, its timers, threads and messages. */
export class TestProcess implements Life {
  readonly #time: VirtualTime;
  isAlive = true;
  pausedUntil = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** A clock whose timers end with `life`. */
  clock(life: Life): Clock {
    const time = this.#time;
    return {
      now: () => Math.floor(EPOCH_MS + time.now),
      elapsed: () => time.now,
      after: (ms, callback) => time.after(ms, life, callback),
    };
  }
}

/** `Threads` in one process: messages keep their order and take no time, but a turn. */
export class TestThreads implements Threads {
  readonly #time: VirtualTime;
  readonly #process: TestProcess;
  readonly #makeHost: MakeHost;
  readonly #threads = new Map<number, TestThread>();

  constructor(time: VirtualTime, process: TestProcess, makeHost: MakeHost) {
    this.#time = time;
    this.#process = process;
    this.#makeHost = makeHost;
  }

  start(slot: number, receive: (message: HostToMain) => void): HostLink {
    const thread = new TestThread(this.#time, this.#process, receive);
    thread.boot((say) => this.#makeHost(slot, thread, say));
    this.#threads.set(slot, thread);
    return thread;
  }

  /** Ends a thread as a crash would. */
  crash(slot: number): void {
    this.#threads.get(slot)?.end(new Error('the test ended this thread'));
  }

  async close(): Promise<void> {
    for (const thread of this.#threads.values()) thread.end(undefined);
  }
}

class TestThread implements Life, HostLink {
  readonly exited: Promise<Error | undefined>;
  readonly #time: VirtualTime;
  readonly #process: TestProcess;
  readonly #receive: (message: HostToMain) => void;
  #host: Host | undefined;
  #runs = true;
  #exit: (error: Error | undefined) => void = () => undefined;

  constructor(time: VirtualTime, process: TestProcess, receive: (message: HostToMain) => void) {
    this.#time = time;
    this.#process = process;
    this.#receive = receive;
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  get isAlive(): boolean {
    return this.#runs && this.#process.isAlive;
  }

  get pausedUntil(): number {
    return this.#process.pausedUntil;
  }

  boot(make: (say: (message: HostToMain) => void) => Host): void {
    this.#time.after(1, this, () => {
      this.#host = make((message) => this.#say(message));
      this.#say({ kind: 'started' });
    });
  }

  post(message: MainToHost): void {
    this.#time.after(0, this, () => this.#host?.receive(message));
  }

  async terminate(): Promise<void> {
    this.end(new Error('terminated'));
    await this.exited;
  }

  end(error: Error | undefined): void {
    if (!this.#runs) return;
    this.#runs = false;
    this.#time.after(0, this.#process, () => this.#exit(error));
  }

  #say(message: HostToMain): void {
    if (!this.isAlive) return;
    this.#time.after(0, this.#process, () => this.#receive(message));
    if (message.kind === 'drained') this.end(undefined);
  }
}
