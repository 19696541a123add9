/**
 * One accepted commit against the log: every event that it newly calls decided must be accounted for exactly once, by
 * a state, by a dead letter, or by a reason that the oracle agrees with.
 */
import type { Commit, DeadLetter } from '../../src/core/checkpoint/commit.js';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { isSameBody } from '../../src/core/dedupe/dedupe-index.js';
import { bodyHashOf } from '../../src/core/key/hash.js';
import { problemOfCounters } from './counter-audit.js';
import { firstOf, isDedupeExact, seenBefore } from './dedupe-audit.js';
import type { History } from './history-handler.js';
import { bodyOf, sequenceOf } from './history-handler.js';
import type { Entry, Ledger } from './ledger.js';
import { nameOf } from './ledger.js';
import { NumberingAudit } from './numbering-audit.js';
import { ParkingAudit } from './parking-audit.js';
import type { Plan } from './plan.js';
import type { Fate, Shadow } from './shadow.js';
import { variantsOf } from './variants.js';
import type { World } from './world.js';

const decoder = new TextDecoder();

interface Envelope {
  /** Null where nothing was applied, and only the key's number counts. */
  readonly state: History | null;
  readonly time: number | null;
  readonly id: string;
  readonly sequence: string;
  readonly applied: number;
  readonly keySequence?: number;
}

export class CommitAudit {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #ledger: Ledger;
  readonly #shadow: Shadow;
  readonly #commit: Commit;
  readonly #record: PartitionRecord;
  readonly #where: string;
  #parking: ParkingAudit | undefined;
  #numbering: NumberingAudit | undefined;
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
    const violate = (invariant: string, problem: string): void => this.#violate(invariant, problem);
    if (this.#plan.order === 'sequence')
      this.#numbering = new NumberingAudit(this.#world, this.#shadow, this.#commit, violate);
    this.#parking = new ParkingAudit(this.#world, this.#shadow, this.#commit, violate);
    for (const [key, text] of this.#commit.state.set) this.#state(key, JSON.parse(text) as Envelope);
    // One that is both set and removed is gone: an old letter was discarded while its event was decided once more.
    for (const [sequence, text] of this.#commit.dead.set) this.#deadLetter(sequence, text);
    for (const sequence of this.#commit.dead.remove) this.#discard(sequence);
    this.#newlyDecided();
    for (const sequence of this.#parking.taken) this.#taken(sequence);
    for (const sequence of this.#applied)
      if (this.#shadow.fates.get(sequence) !== 'applied') this.#violate('I1', `${sequence} is applied, not decided`);
    for (const sequence of this.#buried.keys())
      if (this.#shadow.fates.get(sequence) !== 'dead') this.#violate('I9', `${sequence} is dead, not decided`);
    this.#numbering?.run();
    this.#parking.run(this.#numbering);
    const problem = problemOfCounters(this.#world, this.#shadow, this.#record);
    if (problem !== undefined) this.#violate('I1', problem);
  }

  /** Takes the commit as it is: it was made from events that the log has lost. */
  adopt(): void {
    const { histories, newest, next, dead, fates } = this.#shadow;
    for (const [key, text] of this.#commit.state.set) {
      const { state, time, keySequence } = JSON.parse(text) as Envelope;
      if (state !== null) histories.set(key, state);
      if (time !== null) newest.set(key, time);
      if (keySequence !== undefined) next.set(key, keySequence + 1);
    }
    for (const [sequence, text] of this.#commit.dead.set) dead.set(sequence, text);
    for (const sequence of this.#commit.dead.remove) dead.delete(sequence);
    const { taken } = new ParkingAudit(this.#world, this.#shadow, this.#commit, () => undefined);
    for (const sequence of taken) fates.set(sequence, 'dropped');
    const kept = this.#ledger.keptSince(this.#record.anchor.time);
    this.#eachUndecided((entry, isDecided) => {
      if (isDecided && entry.sequence > kept) this.#shadow.early.add(entry.sequence);
      if (!isDecided || entry.sequence > kept || fates.has(entry.sequence)) return;
      fates.set(entry.sequence, this.#shadow.parked.has(entry.sequence) ? 'parked' : 'dropped');
    });
  }

  #violate(invariant: string, problem: string): void {
    this.#world.violate(invariant, `${this.#where}: ${problem}`);
  }

  /** The new history continues the old one, in order. */
  #state(key: string, { state: stored, time, id, sequence, applied, keySequence }: Envelope): void {
    const { histories, newest, next } = this.#shadow;
    const state = stored ?? [];
    const old = histories.get(key) ?? [];
    for (let i = 0; i < old.length; i++)
      if (state[i] !== old[i]) {
        this.#violate('I1', `key ${key}: ${JSON.stringify(state)} does not continue ${JSON.stringify(old)}`);
        return;
      }
    // Also where an operator has given up numbers that had come meanwhile.
    const isNumbered =
      keySequence !== undefined &&
      (keySequence >= (next.get(key) ?? 1) || this.#world.operator.hasAsked(this.#commit.partition, key));
    if (state.length === old.length && !isNumbered) this.#violate('I1', `key ${key} is stored again with nothing new`);
    for (let i = old.length; i < state.length; i++) this.#apply(key, state[i]!, i === 0 ? undefined : state[i - 1]!);
    const packed = state[state.length - 1];
    if (packed !== undefined) histories.set(key, state);
    const last = packed === undefined ? undefined : this.#ledger.at(sequenceOf(packed));
    const isRight =
      applied === state.length &&
      time === (newest.get(key) ?? null) &&
      (last === undefined ? id === '' : variantsOf(this.#world, last).some((variant) => variant.id === id));
    if (!isRight || sequence !== String(last?.sequence ?? 0)) this.#violate('I1', `key ${key}: its envelope is wrong`);
  }

  #apply(key: string, packed: number, before: number | undefined): void {
    const sequence = sequenceOf(packed);
    const entry = this.#ledger.at(sequence);
    const { newest, fates, tally } = this.#shadow;
    const variant =
      entry === undefined ? undefined : variantsOf(this.#world, entry).find(({ n }) => n === bodyOf(packed));
    if (entry === undefined || entry.partition !== this.#commit.partition || variant === undefined) {
      this.#violate('I1', `key ${key} applied ${packed}, which is no event of this partition`);
      return;
    }
    const known = fates.get(sequence);
    if ((known !== undefined && !this.#isTaken(sequence)) || this.#applied.has(sequence))
      this.#violate('I3', `${sequence} is applied after ${known}`);
    if (entry.key !== key) this.#violate('I7', `${sequence} of key ${entry.key} was applied to ${key}`);
    this.#parking!.moves(entry);
    this.#numbering?.uses(entry);
    const poison = variant.code;
    if (poison !== undefined) this.#violate('I9', `${sequence} was applied, it is ${poison}`);
    if (known === undefined && isDedupeExact(this.#plan) && seenBefore(this.#shadow, entry, true))
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
    if (order === 'sequence') return; // by its number, see NumberingAudit
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

  /** An operator has dealt with it. */
  #discard(sequence: string): void {
    if (!this.#world.operator.hasDiscarded(this.#commit.partition, sequence))
      this.#violate('I9', `the dead letter of ${sequence} is gone, and nobody has asked for it`);
    this.#shadow.dead.delete(sequence);
    this.#shadow.tally.discarded++;
  }

  /** A parked event is stored no longer: it is decided now. */
  #taken(sequence: number): void {
    const { fates } = this.#shadow;
    const entry = this.#ledger.at(sequence);
    if (entry === undefined || fates.get(sequence) !== 'parked')
      this.#violate('I1', `${sequence} was parked, and is ${fates.get(sequence)}`);
    else fates.set(sequence, this.#fate(entry));
  }

  #isTaken(sequence: number): boolean {
    return this.#shadow.fates.get(sequence) === 'parked' && this.#parking!.taken.includes(sequence);
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
    const isNew = this.#shadow.fates.get(sequence) === undefined;
    if (isNew && this.#shadow.parked.has(sequence)) return 'parked';
    if (this.#isDeclaredGone(entry)) return 'gap';
    const isEdited = this.#plan.poisonPolicy === 'quarantine' && this.#world.operator.editsOf(entry.key).length > 0;
    if (entry.code !== undefined && !isEdited) {
      this.#violate('I9', `${sequence} is ${entry.code}, and there is no dead letter`);
      return 'dead';
    }
    const isRepeat = isNew && this.#plan.dedupe !== undefined && seenBefore(this.#shadow, entry, false);
    const isLate = this.#plan.late === 'drop' && this.#isLate(entry);
    const isNumbered = this.#numbering?.isRepeated(entry) === true;
    if (isRepeat && isNumbered && !(isDedupeExact(this.#plan) && seenBefore(this.#shadow, entry, true))) {
      tally.duplicates++;
      return 'dropped';
    }
    if (isRepeat && (!isLate || (isDedupeExact(this.#plan) && seenBefore(this.#shadow, entry, true)))) {
      tally.duplicates++;
      if (!isSameBody(hashOf(firstOf(this.#shadow, entry)), hashOf(entry))) tally.conflicts++;
      return 'duplicate';
    }
    if (isNumbered) {
      tally.duplicates++;
      return 'repeated';
    }
    if (isLate) {
      // A repetition is dropped even where its key waits, and here it may have been one.
      if (!isRepeat) this.#parking!.moves(entry);
      tally.late++;
      if (entry.isClamped) tally.perhapsClamped++;
      return isRepeat ? 'dropped' : 'late';
    }
    const { isLegacy, early } = this.#shadow;
    if (isLegacy && (this.#ledger.lost.has(nameOf(entry)) || early.has(sequence))) return 'dropped';
    this.#violate('I2', `${sequence} of key ${entry.key} is called decided, and nothing came of it`);
    return 'gap';
  }

  /** It is gone, and the record says so; after an accepted regression nobody knows how much of what is gone was new. */
  #isDeclaredGone({ isRemoved, sequence }: Entry): boolean {
    return isRemoved && (this.#shadow.isLegacy || this.#shadow.hasGap(sequence));
  }

  /** I9. */
  #checkDead(entry: Entry, letter: DeadLetter): void {
    const { tally } = this.#shadow;
    tally.dead++;
    const isLate = letter.code === 'EVENT_LATE';
    this.#checkBurial(entry, letter);
    if (isLate) tally.late++;
    else if (this.#plan.late === 'apply' && this.#isLate(entry)) tally.perhapsLate++;
    if (entry.code === undefined && entry.isClamped) tally.perhapsClamped++;
    const isText = letter.encoding === 'utf8';
    const variant = variantsOf(this.#world, entry).find(
      ({ body }) => letter.body === (isText ? decoder.decode(body) : Buffer.from(body).toString('base64')),
    );
    if (variant === undefined || letter.subject !== entry.publish.subject || letter.streamTime !== entry.streamTime) {
      this.#violate('I9', `the dead letter of ${entry.sequence} does not hold the event`);
      return;
    }
    const isReadable = entry.code === undefined || variant.n !== entry.publish.n;
    const isRightlyLate = isLate && isReadable && this.#plan.late === 'dead-letter' && this.#isLate(entry);
    if (!isRightlyLate && letter.code !== variant.code)
      this.#violate('I9', `${entry.sequence} is dead as ${letter.code}, expected ${variant.code}`);
    if (
      !this.#isTaken(entry.sequence) &&
      isDedupeExact(this.#plan) &&
      entry.code === undefined &&
      seenBefore(this.#shadow, entry, true)
    )
      this.#violate('I3', `${entry.sequence} is dead, it repeats ${entry.prior?.sequence}`);
  }

  /** Only some dead letters come about where nobody is asked; the others are due to a skip. */
  #checkBurial(entry: Entry, { code }: DeadLetter): void {
    const { order, poisonPolicy } = this.#plan;
    const isBeforeItsKey = entry.code === 'EVENT_TIME_AHEAD' || entry.key === '' || order === 'sequence';
    if (entry.code !== undefined && isBeforeItsKey) return;
    this.#parking!.moves(entry);
    if (entry.code === undefined) this.#numbering?.uses(entry);
    const isAsked = this.#world.operator.hasAsked(this.#commit.partition, entry.key);
    if (poisonPolicy === 'quarantine' && code !== 'EVENT_LATE' && !isAsked)
      this.#violate('I9', `${entry.sequence} is dead as ${code}, and nobody has skipped it`);
  }

  #isLate(entry: Entry): boolean {
    return this.#plan.order === 'time' && (this.#shadow.newest.get(entry.key) ?? 0) > entry.time;
  }
}

function hashOf({ publish: { body } }: Entry): number {
  return bodyHashOf(new DataView(body.buffer, body.byteOffset, body.length), 0, body.length);
}
