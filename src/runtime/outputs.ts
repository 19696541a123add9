/**
 * Publishes what handlers emitted, after the commit that stores it. Each output is tried until it is in its stream;
 * its id is the same after every replay, so the stream removes repeats inside its duplicate window.
 */
import type { Output } from '../core/checkpoint/commit.js';
import { messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventSink } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import { retrying } from '../retrying.js';

const AT_ONCE = 64;

export class OutputPublisher {
  readonly #sink: EventSink;
  readonly #clock: Clock;
  readonly #log: LogLine;
  #stopped = false;

  constructor(sink: EventSink, clock: Clock, log: LogLine) {
    this.#sink = sink;
    this.#clock = clock;
    this.#log = log;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Publishes in order of `outputs` in groups; calls `published` with each group that is in its stream. */
  async publish(
    outputs: readonly (readonly [id: string, output: string])[],
    published: (ids: readonly string[]) => void,
  ): Promise<void> {
    for (let from = 0; from < outputs.length && !this.#stopped; from += AT_ONCE) {
      const group = outputs.slice(from, from + AT_ONCE);
      const sent = await Promise.all(group.map(([id, output]) => this.#one(id, output)));
      published(group.filter((_, i) => sent[i]).map(([id]) => id));
    }
  }

  async #one(id: string, output: string): Promise<boolean> {
    const { subject, data, trace } = JSON.parse(output) as Omit<Output, 'id'>;
    const event = { subject, id, trace, body: new TextEncoder().encode(JSON.stringify(data)) };
    const isWanted = (): boolean => !this.#stopped;
    try {
      const appended = await retrying(this.#clock, this.#log, 'output.publish', isWanted, () =>
        this.#sink.append(event),
      );
      return appended !== undefined;
    } catch (error) {
      // Kept in the outbox: it is tried again by the next incarnation, and an operator sees it there.
      this.#log('error', 'output.refused', { id, subject, error: messageOf(error) });
      return false;
    }
  }
}
