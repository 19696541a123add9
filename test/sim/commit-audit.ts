/**
 * One accepted commit against the log: every event that it newly calls decided must be accounted for exactly once, by
 * a state, by a dead letter, or by a reason that the oracle agrees with.
 */
import type { Commit, DeadLetter } from '../../src/core/checkpoint/commit.js';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import type { History } from './history-handler.js';
import { bodyOf, sequenceOf } from './history-handler.js';
import type { Entry, Ledger } from './ledger.js';
import { nameOf } from './ledger.js';
import type { Plan } from './plan.js';
import type { Fate, Shadow } from './shadow.js';
import type { World } from './world.js';

const decoder = new TextDecoder();

interface Envelope {
  readonly state: History;
  readonly time: number;
  readonly id: string;
  readonly sequence: string;
  readonly applied: number;
}

/** Whether repeats are found with certainty: nothing leaves the index within a run. */
export const isDedupeExact = ({ dedupe }: Plan): boolean =>
  dedupe !== undefined && dedupe.horizonMs > 1_000_000 && dedupe.idsMax > 1_000;

export class CommitAudit {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #ledger: Ledger;
  readonly #shadow: Shadow;
  readonly #commit: Commit;
  readonly #record: PartitionRecord;
  readonly #where: string;
  /** Sequences that this commit applies, and those that it buries. */
  readonly #applied = new Set<number>();
  readonly #buried = new Map<number, DeadLetter>();

  constructor(world: World, shadow: Shadow, commit: Commit, record: PartitionRecord, where: string) {
    this.#world = world;
    this.#plan = world.plan;
    this.#ledger = world.ledger;
    this.#shadow = shadow;
    this.#commit = commit;
    this.#record = record;
    this.#where = where;
  }

  run(): void {
    for (const [key, text] of this.#commit.state.set) this.#state(key, JSON.parse(text) as Envelope);
    for (const [sequence, text] of this.#commit.dead.set) this.#deadLetter(sequence, text);
    this.#newlyDecided();
    for (const sequence of this.#applied)
      if (this.#shadow.fates.get(sequence) !== 'applied') this.#violate('I1', `${sequence} is applied, not decided`);
    for (const sequence of this.#buried.keys())
      if (this.#shadow.fates.get(sequence) !== 'dead') this.#violate('I9', `${sequence} is dead, not decided`);
    this.#counters();
  }

  /** Takes the commit as it is: it was made from events that the log has lost. */
  adopt(): void {
    const { histories, newest, dead, fates } = this.#shadow;
    for (const [key, text] of this.#commit.state.set) {
      const { state, time } = JSON.parse(text) as Envelope;
      histories.set(key, state);
      newest.set(key, time);
    }
    for (const [sequence, text] of this.#commit.dead.set) dead.set(sequence, text);
    const kept = this.#ledger.keptSince(this.#record.anchor.time);
    this.#eachUndecided((entry, isDecided) => {
      if (isDecided && entry.sequence <= kept && !fates.has(entry.sequence)) fates.set(entry.sequence, 'dropped');
    });
  }

  #violate(invariant: string, problem: string): void {
    this.#world.violate(invariant, `${this.#where}: ${problem}`);
  }

  /** The new history continues the old one, in order. */
  #state(key: string, { state, time, id, sequence, applied }: Envelope): void {
    const { histories, newest } = this.#shadow;
    const old = histories.get(key) ?? [];
    for (let i = 0; i < old.length; i++)
      if (state[i] !== old[i]) {
        this.#violate('I1', `key ${key}: ${JSON.stringify(state)} does not continue ${JSON.stringify(old)}`);
        return;
      }
    if (state.length === old.length) this.#violate('I1', `key ${key} is stored again with nothing new`);
    for (let i = old.length; i < state.length; i++) this.#apply(key, state[i]!, i === 0 ? undefined : state[i - 1]!);
    histories.set(key, state);
    const last = this.#ledger.at(sequenceOf(state[state.length - 1] ?? 0));
    const isRight = applied === state.length && time === newest.get(key) && id === last?.id;
    if (!isRight || sequence !== String(last?.sequence)) this.#violate('I1', `key ${key}: its envelope is wrong`);
  }

  #apply(key: string, packed: number, before: number | undefined): void {
    const sequence = sequenceOf(packed);
    const entry = this.#ledger.at(sequence);
    const { newest, fates, tally } = this.#shadow;
    if (entry === undefined || entry.partition !== this.#commit.partition || entry.publish.n !== bodyOf(packed)) {
      this.#violate('I1', `key ${key} applied ${packed}, which is no event of this partition`);
      return;
    }
    const known = fates.get(sequence);
    if (known !== undefined || this.#applied.has(sequence))
      this.#violate('I3', `${sequence} is applied after ${known}`);
    if (entry.key !== key) this.#violate('I7', `${sequence} of key ${entry.key} was applied to ${key}`);
    const poison = entry.code ?? entry.refusal;
    if (poison !== undefined) this.#violate('I9', `${sequence} was applied, it is ${poison}`);
    if (isDedupeExact(this.#plan) && this.#seenBefore(entry, true))
      this.#violate('I3', `${sequence} was applied, it repeats ${entry.prior?.sequence}`);
    this.#inOrder(entry, before === undefined ? undefined : this.#ledger.at(sequenceOf(before)));
    if (entry.time > (newest.get(key) ?? Number.NEGATIVE_INFINITY)) newest.set(key, entry.time);
    if (entry.isClamped) tally.clamped++;
    this.#applied.add(sequence);
  }

  /** I4. */
  #inOrder(entry: Entry, before: Entry | undefined): void {
    const { order, late } = this.#plan;
    if (before === undefined) return;
    if (order === 'none') {
      if (before.sequence > entry.sequence && !this.#shadow.isLegacy)
        this.#violate('I4', `${entry.sequence} after ${before.sequence}`);
      return;
    }
    const newest = this.#shadow.newest.get(entry.key)!;
    if (entry.time < newest) {
      this.#shadow.tally.late++;
      if (late !== 'apply') this.#violate('I4', `${entry.sequence} is ${newest - entry.time} ms too late`);
    } else if (entry.time === before.time && entry.sequence < before.sequence && !this.#shadow.isLegacy)
      this.#violate('I4', `${entry.sequence} after ${before.sequence}, both at ${entry.time}`);
  }

  #deadLetter(sequence: string, text: string): void {
    const letter = JSON.parse(text) as DeadLetter;
    this.#shadow.dead.set(sequence, text);
    this.#buried.set(letter.sequence, letter);
    if (String(letter.sequence) !== sequence) this.#violate('I9', `dead letter ${sequence} says ${letter.sequence}`);
  }

  #newlyDecided(): void {
    const { fates } = this.#shadow;
    this.#eachUndecided((entry, isDecided) => {
      const { sequence } = entry;
      const known = fates.get(sequence);
      if (isDecided && known === undefined) fates.set(sequence, this.#fate(entry));
      else if (!isDecided && known !== undefined && !this.#isDeclaredGone(entry))
        this.#violate('I5', `${sequence} was ${known} and is undecided`);
    });
  }

  /** Goes through the partition's events from the first that was undecided before this commit. */
  #eachUndecided(see: (entry: Entry, isDecided: boolean) => void): void {
    const { floor, above } = this.#record.position;
    const top = above.length === 0 ? floor : above[above.length - 1]!;
    const own = this.#ledger.own(this.#commit.partition);
    let isFirst = true;
    let range = 0;
    for (let i = this.#shadow.decidedFirst; i < own.length && own[i]!.sequence <= top; i++) {
      const entry = own[i]!;
      const { sequence } = entry;
      while (range < above.length && above[range + 1]! < sequence) range += 2;
      const isDecided = sequence <= floor || (range < above.length && above[range]! <= sequence);
      see(entry, isDecided);
      if (isDecided && isFirst) this.#shadow.decidedFirst = i + 1;
      else isFirst = false;
    }
  }

  #fate(entry: Entry): Fate {
    const { sequence } = entry;
    const { tally } = this.#shadow;
    if (this.#applied.has(sequence)) {
      tally.applied++;
      return 'applied';
    }
    const letter = this.#buried.get(sequence);
    if (letter !== undefined) {
      this.#checkDead(entry, letter);
      return 'dead';
    }
    if (this.#isDeclaredGone(entry)) return 'gap';
    if (entry.code !== undefined) {
      this.#violate('I9', `${sequence} is ${entry.code}, and there is no dead letter`);
      return 'dead';
    }
    const isRepeat = this.#plan.dedupe !== undefined && this.#seenBefore(entry, false);
    const isLate = this.#plan.late === 'drop' && this.#isLate(entry);
    if (isRepeat && (!isLate || (isDedupeExact(this.#plan) && this.#seenBefore(entry, true)))) {
      tally.duplicates++;
      if (this.#firstOf(entry).publish.n !== entry.publish.n) tally.conflicts++;
      return 'duplicate';
    }
    if (isLate) {
      tally.late++;
      if (entry.isClamped) tally.perhapsClamped++;
      return isRepeat ? 'dropped' : 'late';
    }
    if (this.#shadow.isLegacy && this.#ledger.lost.has(nameOf(entry))) return 'dropped';
    this.#violate('I2', `${sequence} of key ${entry.key} is called decided, and nothing came of it`);
    return 'gap';
  }

  /** It is gone, and the record says so; after an accepted regression nobody knows how much of what is gone was new. */
  #isDeclaredGone({ isRemoved, sequence }: Entry): boolean {
    return isRemoved && (this.#shadow.isLegacy || isIn(this.#shadow.gaps, sequence));
  }

  /** I9. */
  #checkDead(entry: Entry, letter: DeadLetter): void {
    const { tally } = this.#shadow;
    tally.dead++;
    const isLate = letter.code === 'EVENT_LATE';
    if (isLate) tally.late++;
    else if (this.#plan.late === 'apply' && this.#isLate(entry)) tally.perhapsLate++;
    if (entry.code === undefined && entry.isClamped) tally.perhapsClamped++;
    const isRightlyLate =
      isLate && entry.code === undefined && this.#plan.late === 'dead-letter' && this.#isLate(entry);
    if (!isRightlyLate && letter.code !== (entry.code ?? entry.refusal))
      this.#violate('I9', `${entry.sequence} is dead as ${letter.code}, expected ${entry.code ?? entry.refusal}`);
    const { body, subject } = entry.publish;
    const isText = letter.encoding === 'utf8';
    const kept = isText ? decoder.decode(body) : Buffer.from(body).toString('base64');
    if (letter.body !== kept || letter.subject !== subject || letter.streamTime !== entry.streamTime)
      this.#violate('I9', `the dead letter of ${entry.sequence} does not hold the event`);
    if (isDedupeExact(this.#plan) && entry.code === undefined && this.#seenBefore(entry, true))
      this.#violate('I3', `${entry.sequence} is dead, it repeats ${entry.prior?.sequence}`);
  }

  #isLate(entry: Entry): boolean {
    return this.#plan.order === 'time' && (this.#shadow.newest.get(entry.key) ?? 0) > entry.time;
  }

  /** Whether an earlier event has the same id; `surely`: one that was there to be read or is known to be decided. */
  #seenBefore(entry: Entry, surely: boolean): boolean {
    for (let { prior } = entry; prior !== undefined; prior = prior.prior) {
      if (!surely || !prior.isRemoved) return true;
      const fate = this.#shadow.fates.get(prior.sequence);
      if (fate !== undefined && fate !== 'gap') return true;
    }
    return false;
  }

  #firstOf(entry: Entry): Entry {
    let first = entry;
    while (first.prior !== undefined && this.#shadow.fates.get(first.prior.sequence) !== 'gap') first = first.prior;
    return first;
  }

  #counters(): void {
    const { counters, deadStored } = this.#record;
    const { tally, isLegacy } = this.#shadow;
    if (isLegacy) return;
    const dead = Object.values(counters.dead).reduce((sum, count) => sum + count, 0);
    const isSure = isDedupeExact(this.#plan) && this.#ledger.removals === 0;
    const same = isSure
      ? counters.duplicates === tally.duplicates &&
        counters.conflicts === tally.conflicts &&
        isBetween(counters.late, tally.late, tally.perhapsLate) &&
        isBetween(counters.clamped, tally.clamped, tally.perhapsClamped)
      : counters.duplicates + (this.#plan.late === 'drop' ? counters.late : 0) ===
        tally.duplicates + (this.#plan.late === 'drop' ? tally.late : 0);
    if (same && counters.applied === tally.applied && dead === tally.dead && deadStored === tally.dead) return;
    this.#violate('I1', `counters ${JSON.stringify({ ...counters, deadStored })}, expected ${JSON.stringify(tally)}`);
  }
}

const isBetween = (count: number, least: number, more: number): boolean => count >= least && count <= least + more;

function isIn(ranges: readonly number[], sequence: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (sequence >= ranges[i]! && sequence <= ranges[i + 1]!) return true;
  return false;
}
