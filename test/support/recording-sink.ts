/** A ReadSink that keeps everything, and what a test asks of it. */
import type { ReadSink } from '../../src/ports/event-log.js';
import { timeText } from '../../src/ports/event-log.js';
import { until } from './until.js';

export interface RecordedEvent {
  readonly sequence: number;
  readonly time: string;
  readonly subject: Uint8Array;
  readonly headers: Uint8Array | undefined;
  readonly body: Uint8Array;
}

export class RecordingSink implements ReadSink {
  readonly sequences: number[] = [];
  /** Empty if the sink keeps only sequences. */
  readonly events: RecordedEvent[] = [];
  caughtUps = 0;
  failure: Error | undefined;
  /** Called after each event is recorded. */
  onEvent: (sequence: number) => void = () => {};
  readonly #bytes: boolean;

  constructor(options: { readonly bytes: boolean } = { bytes: true }) {
    this.#bytes = options.bytes;
  }

  event(
    sequence: number,
    timeMs: number,
    timeNanos: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): void {
    this.sequences.push(sequence);
    // The bytes are lent and may be Buffers, whose slice is no copy.
    const kept = { subject: copy(subject), headers: headers && copy(headers), body: copy(body) };
    if (this.#bytes) this.events.push({ sequence, time: timeText(timeMs, timeNanos), ...kept });
    this.onEvent(sequence);
  }

  caughtUp(): void {
    this.caughtUps++;
  }

  failed(error: Error): void {
    this.failure = error;
  }

  /** Waits until `count` events have arrived; a failure of the reading ends the wait. */
  async reached(count: number, deadlineMs = 15_000): Promise<void> {
    await until(
      () => this.sequences.length >= count || this.failure !== undefined,
      deadlineMs,
      () => `${count} events; there are ${this.sequences.length}, the last is ${this.sequences.at(-1)}`,
    );
    if (this.sequences.length < count) throw this.failure;
  }

  /** Waits until the reading has failed and answers the error. */
  async ended(deadlineMs = 15_000): Promise<Error> {
    await until(() => this.failure !== undefined, deadlineMs, 'the failure of the reading');
    return this.failure!;
  }

  /** Waits for `count` more reports that everything stored is delivered. */
  async idled(count = 1, deadlineMs = 15_000): Promise<void> {
    const wanted = this.caughtUps + count;
    await until(() => this.caughtUps >= wanted, deadlineMs, `${count} reports of having caught up`);
  }
}

/** `first` to `last`, both included. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
