/**
 * The events of a load, from a seed: keys, amounts and repeats are the same for the same seed; ids and times belong to the
 * run. They are deposits of an account, which both handlers that ship can apply.
 *
 * Numbered events carry the place that they have among those of their key. Publishers of one load then plan all of it, each the same,
 * and send a part each: the numbers have no gap, whoever sends them. Such a load has keys of its own, since numbering begins with it.
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
  /** The number of a key's first event; undefined where events are not numbered. */
  readonly numbersFrom: number | undefined;
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
  /** Which event of the load it is. */
  readonly n: number;
  readonly number: number | undefined;
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
  /** How many events of a key are planned. */
  readonly #counts: Uint32Array;
  #planned = 0;

  constructor(options: EventOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#picker = new KeyPicker(options, () => this.#random.next());
    this.#counts = new Uint32Array(options.numbersFrom === undefined ? 0 : options.keys);
  }

  /** The nth event of all publishers. Numbered ones are planned without a gap, from 0 on. */
  plan(n: number): PlannedEvent {
    const { duplicates, disorderMs, run, numbersFrom } = this.#options;
    const random = this.#random;
    if (duplicates > 0 && random.next() < duplicates && this.#recent.length > 0)
      return { ...this.#recent[Math.floor(random.next() * this.#recent.length)]!, isRepeat: true };
    const agoMs = random.next() * disorderMs;
    const keyNumber = this.#picker.pick();
    const number = numbersFrom === undefined ? undefined : numbersFrom + this.#counts[keyNumber]!++;
    const amount = 1 + Math.floor(random.next() * AMOUNT_MAX);
    const content = { n, number, agoMs: number === undefined ? agoMs : 0, amount, sent: undefined };
    const event = { id: `${run}-${n}`, keyNumber, isRepeat: false, content };
    if (duplicates > 0) this.#recent[this.#planned++ % REPEATABLE] = event;
    return event;
  }

  /** The event, sent `now`, epoch ms; a repeat is what went before it. Of a numbered one, `now` is its moment. */
  make({ id, keyNumber, isRepeat, content }: PlannedEvent, now: number): LoadEvent {
    content.sent ??= this.#sent(id, Math.floor(now - content.agoMs), content);
    return { id, keyNumber, isRepeat, ...content.sent };
  }

  #sent(id: string, time: number, { amount, number }: Content): { time: number; body: string } {
    const place = number === undefined ? '' : `"sequence":${number},`;
    const head = `{"id":"${id}","time":${time},${place}"type":"deposit","data":{"amount":${amount},"note":"`;
    const body = `${head}${'x'.repeat(Math.max(0, this.#options.size - head.length - TAIL.length))}${TAIL}`;
    return { time, body };
  }
}

const TAIL = '"}}';

/** Name of the nth key. */
export function keyName({ numbersFrom, run }: Pick<EventOptions, 'numbersFrom' | 'run'>, keyNumber: number): string {
  return numbersFrom === undefined ? `load-${keyNumber}` : `load-${run}-${keyNumber}`;
}
