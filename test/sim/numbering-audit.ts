/**
 * Order `sequence` in one accepted commit: each key's numbers are used up one by one, and one is passed over only where
 * it was missing long enough, or an operator has said so.
 */
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { Entry } from './ledger.js';
import type { Shadow } from './shadow.js';
import type { World } from './world.js';

export class NumberingAudit {
  readonly #world: World;
  readonly #shadow: Shadow;
  readonly #partition: number;
  readonly #violate: (invariant: string, problem: string) => void;
  /** Keys' next numbers as this commit stores them. */
  readonly #stored = new Map<string, number>();
  /** Numbers that this commit uses up, by key. */
  readonly #used = new Map<string, number[]>();

  constructor(world: World, shadow: Shadow, commit: Commit, violate: (invariant: string, problem: string) => void) {
    this.#world = world;
    this.#shadow = shadow;
    this.#partition = commit.partition;
    this.#violate = violate;
    for (const [key, text] of commit.state.set) {
      const { keySequence } = JSON.parse(text) as { keySequence?: number };
      if (keySequence === undefined) this.#violate('I4', `key ${key} is stored without its number`);
      else this.#stored.set(key, keySequence + 1);
    }
  }

  /** The number that comes next once this commit is stored. */
  nextOf(key: string): number {
    return this.#stored.get(key) ?? this.#before(key);
  }

  /** The event is applied or dead, and its number with it. */
  uses({ key, number }: Entry): void {
    const used = this.#used.get(key);
    if (used === undefined) this.#used.set(key, [number!]);
    else used.push(number!);
  }

  /** Whether the event is rightly passed over because its number was there before, or has been given up. */
  isRepeated({ key, number, sequence }: Entry): boolean {
    if (number === undefined) return false;
    if (number < this.nextOf(key)) return true;
    const own = this.#world.ledger.own(this.#partition);
    return own.some((other) => other.key === key && other.number === number && other.sequence < sequence);
  }

  /** I4, once everything that is decided has been seen. */
  run(): void {
    for (const key of this.#used.keys())
      if (!this.#stored.has(key)) this.#violate('I4', `key ${key} has used up numbers, and is not stored`);
    for (const [key, next] of this.#stored) {
      const before = this.#before(key);
      if (next < before) this.#violate('I4', `key ${key} went back from number ${before} to ${next}`);
      const used = new Set(this.#used.get(key));
      if (used.size !== (this.#used.get(key)?.length ?? 0)) this.#violate('I3', `key ${key} has used a number twice`);
      for (const number of used)
        if (number < before || number >= next)
          this.#violate('I4', `key ${key} used ${number}, its next was ${before} and is ${next}`);
      for (let number = before; number < next; number++) if (!used.has(number)) this.#passedOver(key, number);
      this.#shadow.next.set(key, next);
    }
  }

  /** Whether a quarantine because of this missing number is due. */
  isMissing(key: string, number: number): boolean {
    return isMissing(this.#world, this.#partition, key, number);
  }

  #passedOver(key: string, number: number): void {
    this.#shadow.tally.skipped++;
    const { plan, operator, ledger } = this.#world;
    if (operator.hasAsked(this.#partition, key) || ledger.hasLostTail) return;
    if (plan.gap !== 'skip') this.#violate('I4', `number ${number} of key ${key} was passed over without a word`);
    else if (!this.isMissing(key, number))
      this.#violate('I4', `number ${number} of key ${key} was given up, and it came in time`);
  }

  #before(key: string): number {
    return this.#shadow.next.get(key) ?? 1;
  }
}

/** Whether a number of a key had been missing for long enough when, and if, its event came. */
export function isMissing(world: World, partition: number, key: string, number: number): boolean {
  const { ledger, auditor, plan } = world;
  /** It is an event, surely no repeat of an earlier one, and there to be read. */
  const isReadable = ({ code, prior, isRemoved }: Entry): boolean =>
    code === undefined && !isRemoved && (prior === undefined || plan.dedupe === undefined);
  const own = ledger.own(partition).filter((entry) => entry.key === key);
  const came = own.find((entry) => entry.number === number && isReadable(entry));
  const before = came?.sequence ?? Number.POSITIVE_INFINITY;
  // It may have been passed over as a repeat of one that still waited then, and that is gone now.
  if (own.some((entry) => entry.number === number && entry.isRemoved && entry.sequence < before)) return true;
  let since = Number.POSITIVE_INFINITY;
  for (const entry of own)
    if (entry.number !== undefined && entry.number > number && entry.sequence < before)
      since = Math.min(since, entry.streamTime);
  return auditor!.latestBefore(before) >= since + plan.waitMs;
}
