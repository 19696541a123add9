/** Publishes the demo at a steady rate over a plain NATS connection, as a client in any language would. */
import type { NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import { MillraceError, messageOf } from '../../errors.js';
import { AccountEvents, type OutgoingEvent } from './account-events.js';

export interface DemoOptions {
  readonly connection: NatsConnection;
  /** Subject that events of a key are published to. */
  readonly subjectOf: (key: string) => string;
  readonly accounts: number;
  /** Events per second, without repeats. */
  readonly rate: number;
}

const TICK_MS = 20;
/** After a pause of this process no more than this much time is made up for, ms. */
const CATCH_UP_MS_MAX = 200;
/** So that about 3 % of all events are repeats that reach Millrace. */
const REPEAT_SHARE = 0.035;
/** Of the repeats of named events, so many carry no Nats-Msg-Id: they get past JetStream's own window and reach Millrace. */
const UNNAMED_SHARE = 0.75;
const REPEAT_MS_MAX = 1_500;
const LAST_ACK_MS = 10_000;

interface Repeat {
  readonly at: number;
  readonly event: OutgoingEvent;
}

export class DemoPublisher {
  readonly #options: DemoOptions;
  readonly #events: AccountEvents;
  readonly #repeats: Repeat[] = [];
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #owed = 0;
  #isAway = false;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#events = new AccountEvents(options.accounts, Math.random);
    this.#follow();
  }

  start(): void {
    this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Sends nothing more. */
  halt(): void {
    clearInterval(this.#timer);
  }

  /**
   * Sends what is still to be repeated, and one last event whose acknowledgement says that everything before it is
   * stored. Settles with its stream sequence. Throws `NATS_UNREACHABLE` if it is not acknowledged.
   */
  async stop(): Promise<number> {
    this.halt();
    for (const { event } of this.#repeats.splice(0)) this.#publish(event);
    const { connection, subjectOf } = this.#options;
    const { key, body } = this.#events.next(Date.now());
    try {
      const answer = await connection.request(subjectOf(key), body, { timeout: LAST_ACK_MS });
      const { seq, error } = answer.json<{ seq?: number; error?: { description: string } }>();
      if (seq === undefined) throw new Error(error?.description ?? 'no sequence in the answer');
      return seq;
    } catch (cause) {
      const message = `the last event was not acknowledged: ${messageOf(cause)}`;
      throw new MillraceError('NATS_UNREACHABLE', message, { cause });
    }
  }

  #tick(): void {
    const now = performance.now();
    const elapsedMs = Math.min(now - this.#tickedAt, CATCH_UP_MS_MAX);
    this.#tickedAt = now;
    if (this.#isAway) return;
    this.#owed += (elapsedMs * this.#options.rate) / 1000;
    for (; this.#owed >= 1; this.#owed--) {
      const event = this.#events.next(Date.now());
      this.#publish(event);
      if (Math.random() < REPEAT_SHARE) this.#repeatLater(now, event);
    }
    for (let i = 0; i < this.#repeats.length; ) {
      if (this.#repeats[i]!.at > now) i++;
      else this.#publish(this.#repeats.splice(i, 1)[0]!.event);
    }
  }

  #repeatLater(now: number, event: OutgoingEvent): void {
    const named = event.named && Math.random() >= UNNAMED_SHARE;
    this.#repeats.push({ at: now + Math.random() * REPEAT_MS_MAX, event: { ...event, named } });
  }

  #publish({ key, id, body, named }: OutgoingEvent): void {
    const { connection, subjectOf } = this.#options;
    if (connection.isClosed()) return;
    const marked = headers();
    if (named) marked.set('Nats-Msg-Id', id);
    connection.publish(subjectOf(key), body, named ? { headers: marked } : {});
  }

  /** Nothing is published while the server is away: the library would keep it all and send it late at once. */
  #follow(): void {
    const follow = async (): Promise<void> => {
      for await (const { type } of this.#options.connection.status()) {
        if (type === 'disconnect') this.#isAway = true;
        if (type === 'reconnect') this.#isAway = false;
      }
    };
    follow().catch(() => undefined);
  }
}
