/** I12: the stored dedupe index holds the ids of decided events, all of those that count, and none that still waits. */

import { isDedupeExact } from './commit-audit.js';
import type { Entry } from './ledger.js';
import type { Plan } from './plan.js';
import type { Shadow } from './shadow.js';

const HEADER_BYTES = 24;
const ID_BYTES = 28;
/** Decisions as they are stored. */
const APPLIED = 1;
const LATE = 2;
const DEAD = 3;

/** What is wrong with the stored segments, or undefined. */
export function problemOfSegments(shadow: Shadow, own: readonly Entry[], plan: Plan): string | undefined {
  if (plan.dedupe === undefined || shadow.isTainted || shadow.isLegacy) return undefined;
  const stored = storedDecisions(shadow);
  if (typeof stored === 'string') return stored;
  let expected = 0;
  for (const { sequence, code, key } of own) {
    const fate = shadow.fates.get(sequence);
    const found = stored.get(sequence);
    if (fate === undefined && found !== undefined) return `the id of ${sequence} is stored, and it still waits`;
    if (code !== undefined || (fate !== 'applied' && fate !== 'late' && fate !== 'dead')) {
      if (found !== undefined && fate !== 'dropped') return `the id of ${sequence} is stored, and it is ${fate}`;
      if (found !== undefined) expected++;
      continue;
    }
    expected++;
    if (found === undefined) {
      if (isDedupeExact(plan)) return `the id of ${sequence} (${fate}, key ${key}) is not stored`;
      continue;
    }
    const wanted = fate === 'applied' ? [APPLIED] : fate === 'late' ? [LATE] : [DEAD];
    if (!wanted.includes(found)) return `${sequence} is ${fate}, and stored as ${found}`;
  }
  if (stored.size > expected) return `${stored.size} ids are stored, ${expected} are decided`;
  return undefined;
}

/** Stored decision by stream sequence; a problem as text. */
function storedDecisions(shadow: Shadow): Map<number, number> | string {
  const decisions = new Map<number, number>();
  for (const [number, bytes] of shadow.segments) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ids = view.getUint32(4, true);
    if (bytes.length !== HEADER_BYTES + ids * ID_BYTES) return `segment ${number} is cut`;
    for (let i = 0; i < ids; i++) {
      const at = HEADER_BYTES + i * ID_BYTES;
      const sequence = view.getUint32(at + 24, true);
      if (decisions.has(sequence)) return `the id of ${sequence} is stored twice`;
      decisions.set(sequence, view.getUint32(at + 16, true) & 15);
    }
  }
  return decisions;
}
