/** I12: the stored dedupe index holds the ids of decided events, all of those that count, and none that still waits. */

import type { Entry } from './ledger.js';
import type { Plan } from './plan.js';
import type { Fate, Shadow } from './shadow.js';
import type { World } from './world.js';

const HEADER_BYTES = 24;
const ID_BYTES = 28;
/** Decisions as they are stored. */
const APPLIED = 1;
const LATE = 2;
const DEAD = 3;
const SKIPPED = 4;
const PARKED = 5;

const storedAs: Partial<Record<Fate, number>> = {
  applied: APPLIED,
  late: LATE,
  dead: DEAD,
  repeated: SKIPPED,
  parked: PARKED,
};

/** What is wrong with the stored segments, or undefined. */
export function problemOfSegments(
  shadow: Shadow,
  own: readonly Entry[],
  { plan, operator }: World,
): string | undefined {
  if (plan.dedupe === undefined || shadow.isTainted || shadow.isLegacy) return undefined;
  const stored = storedDecisions(shadow);
  if (typeof stored === 'string') return stored;
  let expected = 0;
  for (const { sequence, code, key } of own) {
    const fate = shadow.fates.get(sequence);
    const found = stored.get(sequence);
    if (fate === undefined && found !== undefined) return `the id of ${sequence} is stored, and it still waits`;
    const wanted = fate === undefined ? undefined : storedAs[fate];
    if (code !== undefined || wanted === undefined) {
      // An operator has given it an id.
      const isNamed = code !== undefined && wanted === found && operator.editsOf(key).length > 0;
      if (found !== undefined && fate !== 'dropped' && !isNamed)
        return `the id of ${sequence} is stored, and it is ${fate}`;
      if (found !== undefined) expected++;
      continue;
    }
    expected++;
    if (found === undefined) {
      if (isDedupeExact(plan)) return `the id of ${sequence} (${fate}, key ${key}) is not stored`;
      continue;
    }
    // One that has left the horizon by then stays as it was stored.
    if (wanted !== found && (found !== PARKED || isDedupeExact(plan)))
      return `${sequence} is ${fate}, and stored as ${found}`;
  }
  if (stored.size > expected) return `${stored.size} ids are stored, ${expected} are decided`;
  return undefined;
}

/** Stored decision by stream sequence; a problem as text. */
function storedDecisions(shadow: Shadow): Map<number, number> | string {
  const decisions = new Map<number, number>();
  for (const [number, bytes] of [...shadow.segments].sort(([a], [b]) => a - b)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ids = view.getUint32(4, true);
    if (bytes.length !== HEADER_BYTES + ids * ID_BYTES) return `segment ${number} is cut`;
    for (let i = 0; i < ids; i++) {
      const at = HEADER_BYTES + i * ID_BYTES;
      const sequence = view.getUint32(at + 24, true);
      // What was parked is stored again when it is decided, and the later decision counts.
      const known = decisions.get(sequence);
      if (known !== undefined && known !== PARKED) return `the id of ${sequence} is stored twice`;
      decisions.set(sequence, view.getUint32(at + 16, true) & 15);
    }
  }
  return decisions;
}

/** Whether repeats are found with certainty: nothing leaves the index within a run. */
export const isDedupeExact = ({ dedupe }: Plan): boolean =>
  dedupe !== undefined && dedupe.horizonMs > 1_000_000 && dedupe.idsMax > 1_000;

/** Whether an earlier event has the same id; `surely`: one that was there to be read or is known to be decided. */
export function seenBefore({ fates }: Shadow, entry: Entry, surely: boolean): boolean {
  for (let { prior } = entry; prior !== undefined; prior = prior.prior) {
    if (!surely) return true;
    // One that was dropped as a repetition says nothing by itself: what it repeated may have gone undecided.
    const fate = fates.get(prior.sequence);
    if (fate === 'duplicate') continue;
    if (!prior.isRemoved || (fate !== undefined && fate !== 'gap')) return true;
  }
  return false;
}

export function firstOf({ fates }: Shadow, entry: Entry): Entry {
  let first = entry;
  while (first.prior !== undefined && fates.get(first.prior.sequence) !== 'gap') first = first.prior;
  return first;
}
