/**
 * What one accepted commit stores of parked events and quarantines: each has its cause, and a quarantined key stands
 * still until an operator has been asked.
 */
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { Entry } from './ledger.js';
import type { NumberingAudit } from './numbering-audit.js';
import type { Shadow, StoredQuarantine } from './shadow.js';
import type { World } from './world.js';

const KEY = 'key:';

export class ParkingAudit {
  readonly #world: World;
  readonly #shadow: Shadow;
  readonly #partition: number;
  readonly #violate: (invariant: string, problem: string) => void;
  /** Keys that were quarantined before this commit. */
  readonly #before: ReadonlySet<string>;
  /** Parked events of earlier commits that this one takes out. */
  readonly taken: number[] = [];
  readonly #set: number[] = [];

  constructor(world: World, shadow: Shadow, commit: Commit, violate: (invariant: string, problem: string) => void) {
    this.#world = world;
    this.#shadow = shadow;
    this.#partition = commit.partition;
    this.#violate = violate;
    this.#before = new Set(shadow.quarantines.keys());
    for (const field of commit.parked.remove) {
      if (field.startsWith(KEY)) shadow.quarantines.delete(field.slice(KEY.length));
      else if (shadow.parked.delete(Number(field))) this.taken.push(Number(field));
    }
    for (const [field, text] of commit.parked.set) {
      if (field.startsWith(KEY)) shadow.quarantines.set(field.slice(KEY.length), JSON.parse(text) as StoredQuarantine);
      else {
        shadow.parked.set(Number(field), text);
        this.#set.push(Number(field));
      }
    }
  }

  /** The event is decided in the order of its key: was that key free to go on? */
  moves({ key, sequence }: Entry): void {
    if (this.#before.has(key) && !this.#world.operator.hasAsked(this.#partition, key))
      this.#violate('I4', `${sequence} of the quarantined key ${key} is decided, and nobody has asked for it`);
  }

  run(numbering: NumberingAudit | undefined): void {
    const { fates, quarantines } = this.#shadow;
    const { ledger } = this.#world;
    for (const sequence of this.#set) {
      const entry = ledger.at(sequence);
      if (fates.get(sequence) !== 'parked') this.#violate('I1', `${sequence} is parked, and ${fates.get(sequence)}`);
      else if (!quarantines.has(entry!.key) && !this.#waits(entry!, numbering) && !this.#isFreed(entry!))
        this.#violate('I4', `${sequence} is parked, and key ${entry!.key} may go on`);
    }
    for (const [key, quarantine] of quarantines) this.#cause(key, quarantine, numbering);
  }

  #waits({ key, number }: Entry, numbering: NumberingAudit | undefined): boolean {
    return numbering !== undefined && number !== undefined && number > numbering.nextOf(key);
  }

  /** An operator has freed the key, and a partition that is full leaves the rest to its next incarnation. */
  #isFreed({ key }: Entry): boolean {
    return this.#world.operator.hasAsked(this.#partition, key);
  }

  #cause(key: string, { code, sequence }: StoredQuarantine, numbering: NumberingAudit | undefined): void {
    const { plan, ledger, operator } = this.#world;
    const entry = ledger.at(sequence);
    if (entry?.key !== key || !this.#shadow.parked.has(sequence)) {
      this.#violate('I9', `key ${key} is quarantined for ${sequence}, which is not parked`);
      return;
    }
    if (code === 'SEQUENCE_GAP') {
      const next = numbering?.nextOf(key) ?? 0;
      const isDue = numbering !== undefined && plan.gap === 'quarantine' && entry.number! > next;
      if (!isDue || !(ledger.hasLostTail || numbering.isMissing(key, next)))
        this.#violate('I4', `key ${key} is quarantined for the lack of number ${next}`);
      return;
    }
    const isRefused = code === (entry.code ?? entry.refusal) || operator.editsOf(key).length > 0;
    if (plan.poisonPolicy !== 'quarantine' || !isRefused)
      this.#violate('I9', `key ${key} is quarantined for ${sequence}: ${code}, it is ${entry.code ?? entry.refusal}`);
  }
}
