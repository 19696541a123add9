/**
 * What it means that nobody takes a published event. A stream without a leader looks like no stream at all, for the
 * ten seconds that an election may take (seen on three servers of 2.9.10); only the one is a mistake of the user.
 *
 * Nobody is called a mistake by mistake: where the servers cannot or may not be asked, the leader is taken to be away.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { MillraceError } from '../../errors.js';
import type { NewEvent } from '../../ports/event-log.js';

const ASK_MS = 1_000;
/** An answer holds for so long for all events, so that a thousand in flight do not ask a thousand times. */
const KNOWN_MS = 1_000;

export class UntakenSubject {
  readonly #connection: NatsConnection;
  /** The stream that took an event last. */
  #stream: string | undefined;
  #leaderlessUntil = 0;
  #asking: Promise<unknown> = Promise.resolve();

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Notes that this stream took an event. */
  taken(stream: string): void {
    this.#stream = stream;
    this.#leaderlessUntil = 0;
  }

  /** STREAM_MISSING if no stream is for the subject of the event, else NATS_UNREACHABLE. One question at a time. */
  judge(event: NewEvent): Promise<MillraceError> {
    const judged = this.#asking.then(() => this.#judge(event));
    this.#asking = judged;
    return judged;
  }

  async #judge({ subject }: NewEvent): Promise<MillraceError> {
    const where = JSON.stringify(subject);
    if (performance.now() > this.#leaderlessUntil) {
      if (await this.#isMissing(subject).catch(() => false))
        return new MillraceError('STREAM_MISSING', `no stream takes the subject ${where}`);
      this.#leaderlessUntil = performance.now() + KNOWN_MS;
    }
    return new MillraceError('NATS_UNREACHABLE', `no stream takes the subject ${where} at present`);
  }

  async #isMissing(subject: string): Promise<boolean> {
    const names = await this.#ask('STREAM.NAMES', JSON.stringify({ subject }));
    if (names.total !== 0) return false;
    // A server that maps subjects stores them under others: then the stream must be well for the subject to be wrong.
    return this.#stream === undefined || (await this.#ask(`STREAM.INFO.${this.#stream}`)).error === undefined;
  }

  async #ask(question: string, body?: string): Promise<{ readonly total?: number; readonly error?: unknown }> {
    const answer = await this.#connection.request(`$JS.API.${question}`, body, { timeout: ASK_MS });
    return answer.json();
  }
}
