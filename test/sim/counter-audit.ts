/** The counters of a record against what its commits have accounted for. */
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { isDedupeExact } from './dedupe-audit.js';
import type { Shadow } from './shadow.js';
import type { World } from './world.js';

export function problemOfCounters(
  { plan, ledger }: World,
  { tally, isLegacy }: Shadow,
  { counters, deadStored }: PartitionRecord,
): string | undefined {
  if (isLegacy) return undefined;
  const dead = Object.values(counters.dead).reduce((sum, count) => sum + count, 0);
  const same =
    isDedupeExact(plan) && ledger.removals === 0
      ? counters.duplicates === tally.duplicates &&
        counters.conflicts === tally.conflicts &&
        isBetween(counters.late, tally.late, tally.perhapsLate) &&
        isBetween(counters.clamped, tally.clamped, tally.perhapsClamped)
      : counters.duplicates + (plan.late === 'drop' ? counters.late : 0) ===
        tally.duplicates + (plan.late === 'drop' ? tally.late : 0);
  // Letters that are left of a lost record were never counted, and are discarded like the others.
  tally.discarded = Math.min(tally.discarded, tally.dead);
  const isLetters = dead === tally.dead && deadStored === tally.dead - tally.discarded;
  if (same && isLetters && counters.applied === tally.applied && counters.skipped === tally.skipped) return undefined;
  return `counters ${JSON.stringify({ ...counters, deadStored })}, expected ${JSON.stringify(tally)}`;
}

const isBetween = (count: number, least: number, more: number): boolean => count >= least && count <= least + more;
