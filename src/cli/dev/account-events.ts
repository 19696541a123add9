/**
 * The events of the demo: deposits and withdrawals of a few hundred accounts, as several publishers send them.
 *
 * Each publisher lags by up to a second of its own, so that events arrive out of order while their times are right;
 * an event is made when it is sent, and its time lies in the past by the lag. So the disorder stays within its bound
 * also while this process is held up.
 */
import { randomBytes } from 'node:crypto';

/** One event on its way to the stream. */
export interface OutgoingEvent {
  readonly key: string;
  readonly id: string;
  readonly body: string;
  /** Tells the log its id, so that the log removes repeats itself. */
  readonly named: boolean;
}

/** Longest lag of a publisher, ms; below the second that a quiet partition waits. */
export const LAG_MS_MAX = 950;
const PUBLISHERS = 8;
const DEPOSIT_SHARE = 0.52;
const AMOUNT_MAX = 10_000;

/** Key of an account, from 1 on. */
export const accountKey = (number: number): string => `account-${number}`;

/** Makes events with ids that no other run makes. `random` gives 0 to below 1. */
export class AccountEvents {
  readonly #accounts: number;
  readonly #random: () => number;
  readonly #prefix = randomBytes(5).toString('hex');
  #count = 0;

  constructor(accounts: number, random: () => number) {
    this.#accounts = accounts;
    this.#random = random;
  }

  /** The next event, sent at `now` (epoch ms). */
  next(now: number): OutgoingEvent {
    const publisher = this.#below(PUBLISHERS);
    const lagMs = Math.floor(((publisher + this.#random()) / PUBLISHERS) * LAG_MS_MAX);
    const id = `${this.#prefix}-${++this.#count}`;
    const type = this.#random() < DEPOSIT_SHARE ? 'deposit' : 'withdrawal';
    const data = { amount: 1 + this.#below(AMOUNT_MAX), by: `api-${publisher + 1}` };
    return {
      key: accountKey(1 + this.#below(this.#accounts)),
      id,
      body: JSON.stringify({ id, time: now - lagMs, type, data }),
      // Half of the publishers know JetStream's own duplicate window.
      named: publisher % 2 === 0,
    };
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}
