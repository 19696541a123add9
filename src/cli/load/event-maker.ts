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

export interface LoadEvent {
  readonly id: string;
  readonly keyNumber: number;
  /** When it happened, epoch ms. */
  readonly time: number;
  readonly body: string;
  readonly isRepeat: boolean;
}

/** An event is repeated from among so many that went before it. */
const REPEATABLE = 1_000;
const AMOUNT_MAX = 1_000;

export class EventMaker {
  readonly #options: EventOptions;
  readonly #random: SeededRandom;
  readonly #picker: KeyPicker;
  readonly #recent: LoadEvent[] = [];
  #made = 0;

  constructor(options: EventOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#picker = new KeyPicker(options, () => this.#random.next());
  }

  /** The nth event of all publishers, sent `now`, epoch ms. */
  make(n: number, now: number): LoadEvent {
    const { duplicates, disorderMs, run } = this.#options;
    const random = this.#random;
    if (duplicates > 0 && random.next() < duplicates && this.#recent.length > 0)
      return { ...this.#recent[Math.floor(random.next() * this.#recent.length)]!, isRepeat: true };
    const id = `${run}-${n}`;
    const time = Math.floor(now - random.next() * disorderMs);
    const keyNumber = this.#picker.pick();
    const event = { id, keyNumber, time, body: this.#body(id, time), isRepeat: false };
    if (duplicates > 0) this.#recent[this.#made++ % REPEATABLE] = event;
    return event;
  }

  #body(id: string, time: number): string {
    const amount = 1 + Math.floor(this.#random.next() * AMOUNT_MAX);
    const head = `{"id":"${id}","time":${time},"type":"deposit","data":{"amount":${amount},"note":"`;
    return `${head}${'x'.repeat(Math.max(0, this.#options.size - head.length - TAIL.length))}${TAIL}`;
  }
}

const TAIL = '"}}';

/** Name of the nth key. */
export const keyName = (keyNumber: number): string => `load-${keyNumber}`;
