/**
 * The whole log of a partition folded at once, as DESIGN section 4 says: no checkpoints, no loading, no crashes.
 *
 * The answer binds only where nothing but the log decides. Lateness depends on when an event was ready to be applied
 * (its key's state may still be under way), a full buffer on what else waits, quietness on what was known of the
 * stream's end: where one of these played a part, `reason` says so, and only the rules of each commit are checked.
 */
import { isDedupeExact } from './dedupe-audit.js';
import { pack } from './history-handler.js';
import type { Entry } from './ledger.js';
import type { Plan } from './plan.js';

export interface Reference {
  /** Why the outcome depends on more than the log, or undefined. */
  readonly reason: 'late' | 'full' | 'quiet' | 'dedupe' | 'gap' | 'quarantine' | undefined;
  readonly histories: ReadonlyMap<string, readonly number[]>;
  readonly dead: ReadonlyMap<number, string>;
  readonly duplicates: ReadonlySet<number>;
}

export function referenceOf(entries: readonly Entry[], plan: Plan, quietAfter: ReadonlySet<Entry>): Reference {
  const fold = new Fold(plan);
  let before: Entry | undefined;
  for (const entry of entries) {
    fold.offer(entry, before !== undefined && quietAfter.has(before));
    before = entry;
  }
  fold.end();
  return fold;
}

class Fold implements Reference {
  readonly histories = new Map<string, number[]>();
  readonly dead = new Map<number, string>();
  readonly duplicates = new Set<number>();
  reason: Reference['reason'];
  readonly #plan: Plan;
  readonly #names = new Set<string>();
  readonly #newest = new Map<string, number>();
  #held: Entry[] = [];
  /** Order `sequence`: by key, the number that comes next, and what waits behind it. */
  readonly #next = new Map<string, number>();
  readonly #behind = new Map<string, Map<number, Entry>>();
  #watermark = Number.NEGATIVE_INFINITY;
  #maxTime = Number.NEGATIVE_INFINITY;
  #arrival = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** `mayBeQuiet`: before this event a partition may have been told that the stream had moved on. */
  offer(entry: Entry, mayBeQuiet: boolean): void {
    const { order, idleMs, dedupe, settleMs, bufferEventsMax } = this.#plan;
    const { time, streamTime } = entry;
    if (order === 'time' && this.#held.length > 0) {
      if (streamTime - this.#arrival >= idleMs) this.#fallQuiet();
      else if (mayBeQuiet) this.reason ??= 'quiet';
    }
    if (entry.code !== undefined) {
      if (entry.key !== '' && order !== 'sequence' && entry.code !== 'EVENT_TIME_AHEAD') this.#refused();
      this.dead.set(entry.sequence, entry.code);
      return;
    }
    const name = `${entry.id}\n${entry.key}`;
    if (dedupe !== undefined) {
      if (this.#names.has(name)) {
        if (!isDedupeExact(this.#plan)) this.reason ??= 'dedupe';
        this.duplicates.add(entry.sequence);
        return;
      }
      this.#names.add(name);
    }
    this.#arrival = Math.max(this.#arrival, streamTime);
    if (order === 'none') {
      this.#apply(entry);
      return;
    }
    if (order === 'sequence') {
      this.#number(entry, entry.number!);
      return;
    }
    this.#maxTime = Math.max(this.#maxTime, time);
    this.#watermark = Math.max(this.#watermark, this.#maxTime - settleMs);
    this.#held.push(entry);
    this.#release();
    if (this.#held.length > bufferEventsMax) this.reason ??= 'full';
  }

  end(): void {
    this.#fallQuiet();
    for (const behind of this.#behind.values()) if (behind.size > 0) this.reason ??= 'gap';
  }

  /** Missing numbers are waited for without end here; whether one was given up first is left to the audit of commits. */
  #number(entry: Entry, number: number): void {
    const { key, sequence, streamTime } = entry;
    const behind = this.#behind.get(key) ?? new Map<number, Entry>();
    this.#behind.set(key, behind);
    const next = this.#next.get(key) ?? 1;
    if (number < next || behind.has(number)) {
      this.duplicates.add(sequence);
      return;
    }
    for (const other of behind.values())
      if (Math.abs(streamTime - other.streamTime) * 2 > this.#plan.waitMs) this.reason ??= 'gap';
    behind.set(number, entry);
    for (let at = next; behind.has(at); at++) {
      this.#apply(behind.get(at)!);
      behind.delete(at);
      this.#next.set(key, at + 1);
    }
  }

  #refused(): void {
    if (this.#plan.poisonPolicy === 'quarantine') this.reason ??= 'quarantine';
  }

  #fallQuiet(): void {
    this.#watermark = Math.max(this.#watermark, this.#maxTime);
    this.#release();
  }

  #release(): void {
    const due = this.#held.filter(({ time }) => time <= this.#watermark);
    if (due.length === 0) return;
    this.#held = this.#held.filter(({ time }) => time > this.#watermark);
    due.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
    for (const entry of due) this.#apply(entry);
  }

  #apply(entry: Entry): void {
    const { key, time, sequence, refusal } = entry;
    if (this.#plan.order === 'time' && time < (this.#newest.get(key) ?? time)) this.reason ??= 'late';
    if (refusal !== undefined) {
      this.#refused();
      this.dead.set(sequence, refusal);
      return;
    }
    this.#newest.set(key, Math.max(time, this.#newest.get(key) ?? time));
    const history = this.histories.get(key);
    const packed = pack(sequence, entry.publish.n);
    if (history === undefined) this.histories.set(key, [packed]);
    else history.push(packed);
  }
}
