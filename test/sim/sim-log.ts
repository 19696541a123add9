/** One process's connection to the log: readings that arrive with delays, and outputs on their way in. */
import type { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import type {
  Appended,
  EventLog,
  EventSink,
  NewEvent,
  Reading,
  ReadSink,
  StreamInfo,
} from '../../src/ports/event-log.js';
import type { VirtualTime } from '../../src/testing/virtual-time.js';
import type { Connection, Network } from './network.js';
import type { SimProcess } from './process.js';
import type { Trace } from './trace.js';

export interface LogTerms {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly trace: Trace;
  readonly process: SimProcess;
  readonly connection: Connection;
  /** The client of the log that this process is, made with `deliver` below. */
  readonly log: MemoryEventLog;
  /** Longest delay of the wire behind the log, 0 for none. */
  readonly wireMs: number;
  /** An output is in its stream. */
  readonly appended: (event: NewEvent) => void;
}

/** The moments at which a process's readings are served: later while the log is away. */
export function deliveryOf(
  time: VirtualTime,
  network: Network,
  process: SimProcess,
  delayMs: number,
): (task: () => void) => void {
  const deliver = (task: () => void): void => {
    time.after(network.delay(delayMs), process, () => {
      const at = network.reachableAt(process, 'log');
      if (at > time.now) time.at(at, process, () => deliver(task));
      else task();
    });
  };
  return deliver;
}

export class SimLog implements EventLog, EventSink {
  readonly #terms: LogTerms;

  constructor(terms: LogTerms) {
    this.#terms = terms;
  }

  info(stream: string): Promise<StreamInfo> {
    return this.#terms.connection.ask('info', 0, 0, () => this.#terms.log.info(stream));
  }

  timeOf(stream: string, sequence: number): Promise<string | undefined> {
    return this.#terms.connection.ask('timeOf', sequence, 0, () => this.#terms.log.timeOf(stream, sequence));
  }

  read(stream: string, from: number, sink: ReadSink): Promise<Reading> {
    const wire = new Wire(this.#terms, sink);
    let reading: Reading | undefined;
    let isGivenUp = false;
    const open = async (): Promise<Reading> => {
      if (isGivenUp) throw new Error('nobody waits for this reading');
      reading = await this.#terms.log.read(stream, from, wire);
      return reading;
    };
    return this.#terms.connection.ask('open', from, 0, open).then(
      (opened) => wire.opened(opened),
      (error: unknown) => {
        // A reading whose answer was lost must not go on delivering: the server ends it when nobody listens.
        isGivenUp = true;
        void reading?.stop();
        throw error;
      },
    );
  }

  append(event: NewEvent): Promise<Appended> {
    return this.#terms.connection.ask('append', event.body.length, 0, async () => {
      const appended = await this.#terms.log.append(event);
      this.#terms.appended(event);
      return appended;
    });
  }
}

/** Between a reading of the model and the router: keeps back what comes before `read` has answered, and may be slow. */
class Wire implements ReadSink {
  readonly #terms: LogTerms;
  readonly #sink: ReadSink;
  #isOpen = false;
  #isStopped = false;
  #at = 0;
  /** So much is on its way: what comes later must not overtake it. */
  #underWay = 0;
  readonly #early: (() => void)[] = [];

  constructor(terms: LogTerms, sink: ReadSink) {
    this.#terms = terms;
    this.#sink = sink;
  }

  opened(reading: Reading): Reading {
    this.#isOpen = true;
    for (const arrive of this.#early.splice(0)) this.#later(arrive);
    return {
      pause: () => reading.pause(),
      resume: () => reading.resume(),
      stop: async () => {
        this.#isStopped = true;
        await reading.stop();
      },
    };
  }

  event(
    sequence: number,
    timeMs: number,
    timeNanos: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): void {
    if (this.#isDirect) {
      this.#note('event', sequence);
      this.#sink.event(sequence, timeMs, timeNanos, subject, headers, body);
      return;
    }
    const copy = [subject.slice(), headers?.slice(), body.slice()] as const;
    this.#arrives(() => {
      this.#note('event', sequence);
      this.#sink.event(sequence, timeMs, timeNanos, ...copy);
      for (const bytes of copy) bytes?.fill(0xff);
    });
  }

  caughtUp(): void {
    this.#arrives(() => {
      this.#note('caughtUp', 0);
      this.#sink.caughtUp();
    });
  }

  failed(error: Error): void {
    this.#arrives(() => {
      this.#note('failed', 0);
      this.#sink.failed(error);
    });
  }

  #arrives(arrive: () => void): void {
    if (!this.#isOpen) this.#early.push(arrive);
    else if (this.#isDirect) arrive();
    else this.#later(arrive);
  }

  get #isDirect(): boolean {
    return this.#isOpen && this.#terms.wireMs === 0 && this.#underWay === 0;
  }

  #later(arrive: () => void): void {
    const { time, network, process, wireMs } = this.#terms;
    this.#at = Math.max(this.#at, time.now + network.delay(wireMs));
    this.#underWay++;
    time.at(this.#at, process, () => {
      this.#underWay--;
      if (!this.#isStopped) arrive();
    });
  }

  #note(effect: 'event' | 'caughtUp' | 'failed', sequence: number): void {
    const { time, trace, process } = this.#terms;
    trace.note(time.now, process.name, effect, '', sequence, 0);
  }
}
