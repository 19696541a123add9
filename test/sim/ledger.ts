/**
 * The log as the oracle sees it: every event that was ever stored, what it means, and what became of it in the log.
 * Kept beside the log, from what was published, not read back through the code that is tested.
 */
import type { RejectCode } from '../../src/core/event/reject.js';
import type { Deed } from './history-handler.js';
import { refusalOf } from './history-handler.js';
import type { Plan } from './plan.js';
import type { Publish } from './workload.js';

/** One stored event. */
export interface Entry {
  readonly sequence: number;
  /** The log's timestamp, whole epoch ms, and all of it as text. */
  readonly streamTime: number;
  readonly timeText: string;
  readonly publish: Publish;
  readonly partition: number;
  /** Why it is not an event, or is too far ahead; undefined if it goes on to dedupe and order. */
  readonly code: RejectCode | undefined;
  /** Empty where nobody can tell. */
  readonly key: string;
  readonly id: string;
  /** In its key's own numbering. */
  readonly number: number | undefined;
  /** Event time as far as order goes: the stream's where there is none, clamped where it is ahead. */
  readonly time: number;
  readonly isClamped: boolean;
  readonly deed: Deed;
  /** Why the handler will refuse it. */
  readonly refusal: RejectCode | undefined;
  /** The newest earlier event with the same id and key that went on to dedupe. */
  readonly prior: Entry | undefined;
  /** Stream time of the partition's newest arrival up to here that was neither refused nor a repeat. */
  readonly arrival: number;
  /** It was stored, and is gone by a hole or a purge. */
  isRemoved: boolean;
}

export class Ledger {
  readonly #plan: Plan;
  /** By sequence; 0 is unused. */
  #entries: (Entry | undefined)[] = [undefined];
  readonly #own: Entry[][];
  readonly #newest = new Map<string, Entry>();
  /** Lowest stored sequence. */
  first = 1;
  /** For each loss of the tail: the last sequence that was kept, and how many events had been stored by then. */
  readonly #losses: { readonly kept: number; readonly written: number }[] = [];
  /** Ids and keys of the lost events. */
  readonly lost = new Set<string>();
  /** How many events were removed. */
  removals = 0;
  written = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#own = Array.from({ length: plan.partitions }, () => []);
  }

  get last(): number {
    return this.#entries.length - 1;
  }

  get hasLostTail(): boolean {
    return this.#losses.length > 0;
  }

  /** The last sequence that is still the event it was when the event of this timestamp was stored. */
  keptSince(timeText: string): number {
    const written = Number(timeText.slice(-6)); // the log's nanoseconds count the events, see World
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.#losses.filter((loss) => loss.written > written).map((loss) => loss.kept),
    );
  }

  at(sequence: number): Entry | undefined {
    return this.#entries[sequence];
  }

  /** Entries of a partition in order, removed ones included. */
  own(partition: number): readonly Entry[] {
    return this.#own[partition]!;
  }

  append(publish: Publish, streamTime: number, timeText: string): Entry {
    const { ahead, aheadMsMax, order } = this.#plan;
    const { said } = publish;
    const limit = streamTime + aheadMsMax;
    const time = said?.time ?? streamTime;
    const isAhead = said !== undefined && time > limit;
    const isClamped = isAhead && ahead === 'clamp';
    const isUnnumbered = order === 'sequence' && said !== undefined && said.number === undefined;
    const code = isAhead && !isClamped ? 'EVENT_TIME_AHEAD' : isUnnumbered ? 'EVENT_UNNUMBERED' : publish.code;
    const name = said === undefined ? '' : nameOf(said);
    const own = this.#own[publish.partition]!;
    const prior = code === undefined ? this.#newest.get(name) : undefined;
    const arrival = own[own.length - 1]?.arrival ?? Number.NEGATIVE_INFINITY;
    const isFresh = code === undefined && (prior === undefined || this.#plan.dedupe === undefined);
    const entry: Entry = {
      sequence: this.#entries.length,
      streamTime,
      timeText,
      publish,
      partition: publish.partition,
      code,
      key: publish.key ?? '',
      id: said?.id ?? '',
      number: said?.number,
      time: isClamped ? limit : time,
      isClamped,
      deed: said?.deed ?? 'add',
      refusal: said === undefined ? undefined : refusalOf(said.deed),
      prior,
      arrival: isFresh ? Math.max(arrival, streamTime) : arrival,
      isRemoved: false,
    };
    if (code === undefined) this.#newest.set(name, entry);
    this.#entries.push(entry);
    own.push(entry);
    this.written++;
    return entry;
  }

  /** An event is gone; false if there is none under that number. */
  remove(sequence: number): boolean {
    const entry = this.#entries[sequence];
    if (entry === undefined || entry.isRemoved) return false;
    entry.isRemoved = true;
    this.removals++;
    while (this.first <= this.last && this.#entries[this.first]!.isRemoved) this.first++;
    return true;
  }

  /** The log falls back to an earlier length. */
  loseTail(last: number): void {
    this.#losses.push({ kept: last, written: this.written });
    for (let sequence = last + 1; sequence <= this.last; sequence++) this.lost.add(nameOf(this.#entries[sequence]!));
    this.#entries = this.#entries.slice(0, last + 1);
    this.first = Math.min(this.first, last + 1);
    this.#newest.clear();
    for (const own of this.#own) while (own.length > 0 && own[own.length - 1]!.sequence > last) own.pop();
    for (const entry of this.#entries)
      if (entry !== undefined && entry.code === undefined) this.#newest.set(nameOf(entry), entry);
  }
}

/** Id and key in one. */
export function nameOf({ id, key }: { readonly id: string; readonly key: string }): string {
  return `${id}\n${key}`;
}
