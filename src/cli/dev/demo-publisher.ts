/** Publishes the demo at a steady rate. */
import { AccountEvents, type OutgoingEvent } from './account-events.js';
import type { DemoWorld } from './demo-world.js';

export interface DemoOptions {
  readonly world: DemoWorld;
  readonly accounts: number;
  /** Events per second, without repeats. */
  readonly rate: number;
}

const TICK_MS = 20;
/** After a pause of this process no more than this much time is made up for, ms. */
const CATCH_UP_MS_MAX = 200;
/** So that about 3 % of all events are repeats that reach Millrace. */
const REPEAT_SHARE = 0.035;
/** Of the repeats of named events, so many are not named: they get past the log's own window and reach Millrace. */
const UNNAMED_SHARE = 0.75;
const REPEAT_MS_MAX = 1_500;

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

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#events = new AccountEvents(options.accounts, Math.random);
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
   * stored. Settles with where each stream then ends.
   */
  async stop(): Promise<readonly number[]> {
    this.halt();
    const { world } = this.#options;
    for (const { event } of this.#repeats.splice(0)) world.publish(event);
    return world.publishLast(this.#events.next(Date.now()));
  }

  #tick(): void {
    const now = performance.now();
    const elapsedMs = Math.min(now - this.#tickedAt, CATCH_UP_MS_MAX);
    this.#tickedAt = now;
    const { world } = this.#options;
    if (world.isAway) return;
    this.#owed += (elapsedMs * this.#options.rate) / 1000;
    for (; this.#owed >= 1; this.#owed--) {
      const event = this.#events.next(Date.now());
      world.publish(event);
      if (Math.random() < REPEAT_SHARE) this.#repeatLater(now, event);
    }
    for (let i = 0; i < this.#repeats.length; ) {
      if (this.#repeats[i]!.at > now) i++;
      else world.publish(this.#repeats.splice(i, 1)[0]!.event);
    }
  }

  #repeatLater(now: number, event: OutgoingEvent): void {
    const named = event.named && Math.random() >= UNNAMED_SHARE;
    this.#repeats.push({ at: now + Math.random() * REPEAT_MS_MAX, event: { ...event, named } });
  }
}
