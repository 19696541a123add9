/**
 * The events of a load, from a seed: keys, amounts and repeats are the same for the same seed; ids and times belong to the
 * run. They are deposits of an account, which both handlers that ship can apply.
 */

import { SeededRandom } from '../../testing/seeded-random.js';
import { KeyPicker } from './key-picker.js';

export interface EventOptions {
  readonly seed: number;
  readonly keys: number;
  readonly skew: number;
  readonly hot: number;
  /** Bytes of a body, as long as what must be in it fits. */
  readonly size: number;
  /** Share of the events that repeat an earlier one, 0 to 1. */
  readonly duplicates: number;
  /** An event happened up to so many ms before it is sent. */
  readonly disorderMs: number;
  /** Distinguishes the ids of this run from those of all others. */
  readonly run: string;
}

/** What an event will be; when it happened is known when it is sent. */
export interface PlannedEvent {
  readonly id: string;
  readonly keyNumber: number;
  readonly isRepeat: boolean;
  readonly content: Content;
}

export interface LoadEvent extends Omit<PlannedEvent, 'content'> {
  /** When it happened, epoch ms. */
  readonly time: number;
  readonly body: string;
}

/** An event and its repeats share it. */
interface Content {
  /** So long before it was sent. */
  readonly agoMs: number;
  readonly amount: number;
  sent: { readonly time: number; readonly body: string } | undefined;
}

/** An event is repeated from among so many that went before it. */
const REPEATABLE = 1_000;
const AMOUNT_MAX = 1_000;

export class EventMaker {
  readonly #options: EventOptions;
  readonly #random: SeededRandom;
  readonly #picker: KeyPicker;
  readonly #recent: PlannedEvent[] = [];
  #planned = 0;

  constructor(options: EventOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#picker = new KeyPicker(options, () => this.#random.next());
  }

  /** The nth event of all publishers. */
  plan(n: number): PlannedEvent {
    const { duplicates, disorderMs, run } = this.#options;
    const random = this.#random;
    if (duplicates > 0 && random.next() < duplicates && this.#recent.length > 0)
      return { ...this.#recent[Math.floor(random.next() * this.#recent.length)]!, isRepeat: true };
    const agoMs = random.next() * disorderMs;
    const keyNumber = this.#picker.pick();
    const content = { agoMs, amount: 1 + Math.floor(random.next() * AMOUNT_MAX), sent: undefined };
    const event = { id: `${run}-${n}`, keyNumber, isRepeat: false, content };
    if (duplicates > 0) this.#recent[this.#planned++ % REPEATABLE] = event;
    return event;
  }

  /** The event, sent `now`, epoch ms; a repeat is what went before it. */
  make({ id, keyNumber, isRepeat, content }: PlannedEvent, now: number): LoadEvent {
    content.sent ??= this.#sent(id, Math.floor(now - content.agoMs), content.amount);
    return { id, keyNumber, isRepeat, ...content.sent };
  }

  #sent(id: string, time: number, amount: number): { time: number; body: string } {
    const head = `{"id":"${id}","time":${time},"type":"deposit","data":{"amount":${amount},"note":"`;
    const body = `${head}${'x'.repeat(Math.max(0, this.#options.size - head.length - TAIL.length))}${TAIL}`;
    return { time, body };
  }
}

const TAIL = '"}}';

/** Name of the nth key. */
export const keyName = (keyNumber: number): string => `load-${keyNumber}`;
