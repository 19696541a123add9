/**
 * Whether the node made of a load what it should: every distinct event applied once, every repeat dropped, none late, and
 * the keys that were counted one by one are where their events lead. Pure: what was counted goes in, findings come out.
 */
import type { Counters } from '../../core/checkpoint/record.js';
import type { StatusView } from '../../http/status-view.js';
import { grouped } from '../text.js';
import type { KeyCount } from './publishing-messages.js';

export interface Check {
  readonly check: 'published' | 'decided' | 'duplicates' | 'order' | 'applied' | 'samples' | 'keys' | 'states';
  readonly level: 'ok' | 'finding' | 'unknown';
  readonly found: string;
}

/** What was sent, as the publishers counted it. */
export interface Published {
  readonly scheduled: number;
  readonly acknowledged: number;
  /** Acknowledged repeats. */
  readonly repeats: number;
  /** What the log answered with `duplicate`: it did not store it. */
  readonly known: number;
  readonly failed: number;
}

/** What the partitions decided. */
export interface Decided {
  readonly applied: number;
  readonly duplicates: number;
  readonly late: number;
  /** Numbers of keys that were given up waiting for. */
  readonly skipped: number;
  /** Dead letters of every reason but lateness. */
  readonly dead: number;
  /** Late events that were not applied. */
  readonly lateOut: number;
}

/** One of the keys that were counted one by one. */
export interface KeyFinding {
  readonly key: string;
  readonly expected: number;
  readonly applied: number;
  /** The newest time published and the newest applied, epoch ms. */
  readonly newest: number;
  readonly time: number | null;
}

/** A key that was counted: by all publishers, with the last event of each. */
export type KeySum = Pick<KeyCount, 'events' | 'newest'> & { readonly last: readonly KeyCount[] };

export function sumByKey(counts: readonly KeyCount[]): ReadonlyMap<number, KeySum> {
  const sums = new Map<number, KeySum>();
  for (const count of counts) {
    const { events = 0, newest = 0, last = [] } = sums.get(count.keyNumber) ?? {};
    const sum = { events: events + count.events, newest: Math.max(newest, count.newest), last: [...last, count] };
    sums.set(count.keyNumber, sum);
  }
  return sums;
}

/** Sums over all `count` partitions, or undefined where the node does not run all of them: another one has counters too. */
export function decidedOf(
  { partitions }: Pick<StatusView, 'partitions'>,
  count: number,
  isLateApplied: boolean,
): Decided | undefined {
  if (partitions.length < count) return undefined;
  const sum = { applied: 0, duplicates: 0, late: 0, skipped: 0, dead: 0, lateOut: 0 };
  for (const { phase, counters } of partitions) {
    if (phase !== 'running' || counters === undefined) return undefined;
    add(sum, counters);
  }
  sum.lateOut = isLateApplied ? 0 : sum.late;
  return sum;
}

function add(sum: { -readonly [part in keyof Decided]: number }, counters: Counters): void {
  sum.applied += counters.applied;
  sum.duplicates += counters.duplicates;
  sum.late += counters.late;
  sum.skipped += counters.skipped;
  for (const [reason, count] of Object.entries(counters.dead)) if (reason !== 'EVENT_LATE') sum.dead += count;
}

/** Whether every partition that runs has told its counters: one that has just been claimed has not yet. */
export function isReported({ partitions }: Pick<StatusView, 'partitions'>): boolean {
  return partitions.every(({ phase, counters }) => phase !== 'running' || counters !== undefined);
}

/** How many events were decided between two moments. */
export function decidedCount(before: Decided, after: Decided): number {
  const of = ({ applied, duplicates, dead, lateOut }: Decided): number => applied + duplicates + dead + lateOut;
  return of(after) - of(before);
}

/** How many events of the load the log holds. */
export const storedOf = ({ acknowledged, known }: Published): number => acknowledged - known;

export function auditPublished({ scheduled, acknowledged, failed }: Published): Check {
  const missing = scheduled - acknowledged;
  const all = `${grouped(acknowledged)} of ${grouped(scheduled)} scheduled events are acknowledged`;
  if (missing === 0) return { check: 'published', level: 'ok', found: all };
  const unsent = missing - failed;
  return {
    check: 'published',
    level: 'finding',
    found: `${all}; ${grouped(failed)} failed, ${grouped(unsent)} were not sent in time`,
  };
}

/** Counters before and after the load. Where events failed it is not known whether they are stored. */
export function auditCounters(published: Published, before: Decided, after: Decided): Check[] {
  const stored = storedOf(published);
  const decided = decidedCount(before, after);
  const applied = after.applied - before.applied;
  const duplicates = after.duplicates - before.duplicates;
  const late = after.late - before.late;
  const skipped = after.skipped - before.skipped;
  const dead = after.dead - before.dead;
  const distinct = published.acknowledged - published.repeats;
  const repeatsStored = published.repeats - published.known;
  const slack = published.failed;
  const isMore = decided > stored + slack;
  return [
    decided < stored
      ? { check: 'decided', level: 'finding', found: `${grouped(stored - decided)} stored events are not decided yet` }
      : isMore
        ? {
            check: 'decided',
            level: 'finding',
            found: `${grouped(decided - stored)} more events were decided than this load published: somebody else publishes too`,
          }
        : { check: 'decided', level: 'ok', found: `all ${grouped(decided)} stored events are decided` },
    compared(
      'duplicates',
      `${grouped(published.repeats)} repeats published: ${grouped(published.known)} known to the log, ${grouped(duplicates)} dropped`,
      repeatsStored,
      duplicates,
      slack,
    ),
    {
      check: 'order',
      level: late + skipped === 0 ? 'ok' : 'finding',
      found: orderText(late, skipped),
    },
    compared(
      'applied',
      `${grouped(applied)} applied of ${grouped(distinct)} distinct events${dead === 0 ? '' : `, ${grouped(dead)} dead letters`}`,
      distinct,
      applied,
      slack,
    ),
  ];
}

function orderText(late: number, skipped: number): string {
  if (late + skipped === 0) return 'no event was late, no number was given up';
  if (late === 0) return `${grouped(skipped)} numbers did not come in time and were given up`;
  return `${grouped(late)} events were late: they came after a newer one of their key was applied`;
}

function compared(check: Check['check'], found: string, expected: number, counted: number, slack: number): Check {
  const isSame = counted >= expected && counted <= expected + slack;
  return {
    check,
    level: isSame ? 'ok' : 'finding',
    found: isSame ? found : `${found}; it should be ${grouped(expected)}`,
  };
}

/** Keys whose state was read from the store before and after. */
export function auditKeys(keys: readonly KeyFinding[], failed: number): Check {
  const wrong = keys.filter(
    ({ expected, applied, newest, time }) =>
      applied < expected || applied > expected + failed || time === null || (time !== newest && failed === 0),
  );
  const first = wrong[0];
  if (first === undefined)
    return {
      check: 'keys',
      level: 'ok',
      found: `${grouped(keys.length)} keys hold exactly their events, the newest of each last`,
    };
  const { key, expected, applied, newest, time } = first;
  const which = `${key} has ${grouped(applied)} of ${grouped(expected)} events`;
  const times = time === newest ? '' : `, its newest is of ${time ?? 'never'}, not ${newest}`;
  return {
    check: 'keys',
    level: 'finding',
    found: `${grouped(wrong.length)} of ${grouped(keys.length)} keys differ: ${which}${times}`,
  };
}
