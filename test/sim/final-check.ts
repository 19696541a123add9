/**
 * After the heal: is everything decided, is what stands still rightly so, and is what is stored what it must be?
 *
 * I11: GAP, REGRESSION and LOST are raised iff the log or the store gave cause. I1: the stored states equal the fold.
 */
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import type { ErrorCode } from '../../src/errors.js';
import type { PartitionStatus } from '../../src/runtime/partition-table.js';
import type { Auditor } from './auditor.js';
import { problemOfSegments } from './dedupe-audit.js';
import type { Entry } from './ledger.js';
import { isMissing } from './numbering-audit.js';
import { referenceOf } from './reference.js';
import type { Shadow } from './shadow.js';
import type { World } from './world.js';

/** What is still to come; undefined if nothing is, and then `running` are the partitions that are not halted. */
export function whatIsMissing(world: World, auditor: Auditor, running: Set<number>): string | undefined {
  running.clear();
  const { living, nodesWanted, plan } = world;
  if (living.length !== nodesWanted) return `${nodesWanted} nodes, there are ${living.length}`;
  if (!world.isAttended || living.some(({ isDraining }) => isDraining)) return 'the operator';
  const statuses = living.map(({ node }) => node.status());
  const unready = statuses.find(({ phase }) => phase !== 'running');
  if (unready !== undefined) return `a running node, ${unready.name} is ${unready.phase}`;
  const partitions = statuses.flatMap((status) => status.partitions);
  for (let partition = 0; partition < plan.partitions; partition++) {
    const where = `partition ${partition}`;
    const [status, again] = partitions.filter((one) => one.partition === partition);
    if (status === undefined || again !== undefined) return `one owner of ${where}`;
    if (status.phase === 'halted') {
      const unjust = whyUnjust(world, auditor, status);
      if (unjust !== undefined) return unjust;
      continue;
    }
    running.add(partition);
    if (status.phase !== 'running') return `${where} is ${status.phase}`;
    const shadow = auditor.shadow(partition);
    const own = world.ledger.own(partition);
    if (!shadow.exists) return `${where} has no record`;
    if (shadow.isTainted && !world.acceptsGaps) return `${where} to halt, it goes on from events that the log has lost`;
    const next = shadow.isTainted
      ? firstAfter(own, world.ledger.keptSince(shadow.anchorTime))
      : own[shadow.decidedFirst];
    if (next !== undefined && !isEndGone(world, next.sequence)) return `${where} has not decided ${next.sequence}`;
    if (shadow.outbox.size > 0) return `${where} has outputs left`;
    if (world.plan.clearsQuarantines && shadow.quarantines.size > 0) return `${where} has quarantined keys left`;
  }
  return undefined;
}

/** Everything from this event on is gone from the log: nothing comes after it that would show the hole. */
function isEndGone({ ledger }: World, sequence: number): boolean {
  for (let at = sequence; at <= ledger.last; at++) if (ledger.at(at)?.isRemoved !== true) return false;
  return true;
}

function firstAfter(own: readonly Entry[], kept: number): Entry | undefined {
  return own.find(({ sequence }) => sequence > kept);
}

/** I11: why this halt has no cause, or undefined if it has. */
function whyUnjust(world: World, auditor: Auditor, { partition, fault }: PartitionStatus): string | undefined {
  const { ledger, plan } = world;
  const shadow = auditor.shadow(partition);
  const code: ErrorCode = fault?.code ?? 'BUG';
  const isJust = ((): boolean => {
    switch (code) {
      case 'GAP':
        return !world.acceptsGaps && ledger.removals > 0 && isGapSeen(world, shadow);
      case 'REGRESSION':
        return !world.acceptsGaps && (shadow.isTainted || shadow.floor > ledger.last);
      case 'LOST_CHECKPOINT':
        return !world.acceptsGaps && !shadow.exists && ledger.removals > 0;
      case 'FENCED':
        return false; // the operator starts it again
      case 'DEAD_LETTERS_FULL':
        return shadow.deadStored >= plan.deadLettersMax;
      case 'PARKED_FULL':
        return plan.parkedMax < 1_000;
      case 'SEQUENCE_GAP':
        return plan.gap === 'halt' && isNumberMissing(world, partition, shadow);
      default:
        return false;
    }
  })();
  return isJust ? undefined : `partition ${partition} to run, it is halted: ${code} ${fault?.message}`;
}

/** A key has undecided numbers behind one that is missing. */
function isNumberMissing(world: World, partition: number, { fates, next }: Shadow): boolean {
  return world.ledger.own(partition).some(({ key, number, sequence }) => {
    if (number === undefined || (fates.get(sequence) ?? 'parked') !== 'parked') return false;
    for (let at = next.get(key) ?? 1; at < number; at++) if (isMissing(world, partition, key, at)) return true;
    return false;
  });
}

/** Something that the partition still needed, or its anchor, is gone. */
function isGapSeen(world: World, { floor, anchorSequence }: Shadow): boolean {
  for (let sequence = 1; sequence <= world.ledger.last; sequence++) {
    const isGone = world.ledger.at(sequence)?.isRemoved === true;
    if (isGone && (sequence > floor || sequence === anchorSequence)) return true;
  }
  return false;
}

/** Everything that is compared once, when nothing moves any more. */
export async function checkEnd(world: World, auditor: Auditor, running: ReadonlySet<number>): Promise<void> {
  for (let partition = 0; partition < world.plan.partitions; partition++) {
    const shadow = auditor.shadow(partition);
    if (!shadow.isTainted && !shadow.isLegacy) await compareStore(world, partition, shadow);
    const problem = problemOfSegments(shadow, world.ledger.own(partition), world);
    if (problem !== undefined) world.violate('I12', `partition ${partition}: ${problem}`);
    if (running.has(partition) && !shadow.isTainted && !shadow.isLegacy)
      compareReference(world, auditor, partition, shadow);
  }
}

/** The auditor's picture must be what the store really holds. */
async function compareStore(world: World, partition: number, shadow: Shadow): Promise<void> {
  const stored = await world.store.load(partition);
  if (stored === undefined) {
    if (shadow.exists) world.violate('I1', `partition ${partition}: the store has lost a record by itself`);
    return;
  }
  const keys = [...shadow.histories.keys()];
  const texts = await world.store.loadStates(partition, keys);
  keys.forEach((key, i) => {
    const state = texts[i] === undefined ? undefined : readEnvelope(texts[i])?.state;
    if (JSON.stringify(state) !== JSON.stringify(shadow.histories.get(key)))
      world.violate('I1', `partition ${partition}: key ${key} is stored as ${texts[i]}`);
  });
  const dead = await world.store.deadLetters(partition, 0, 10_000);
  const isSame = stored.stored.number === shadow.number && stored.outbox.length === shadow.outbox.size;
  if (!isSame || dead.length !== shadow.dead.size)
    world.violate('I1', `partition ${partition}: the store does not hold what was committed`);
}

function compareReference(world: World, auditor: Auditor, partition: number, shadow: Shadow): void {
  const { ledger, plan, coverage } = world;
  const own = ledger.own(partition);
  const entries = own.filter(({ sequence }) => shadow.fates.get(sequence) !== 'gap');
  for (const { sequence, deed } of entries) {
    if (deed !== 'emit' || shadow.fates.get(sequence) !== 'applied') continue;
    // What a drain still decided may be in the outbox, for whoever starts next.
    for (const id of [0, 1].map((index) => `main.${partition}.${sequence}.${index}`))
      if (!auditor.published.has(id) && !shadow.outbox.has(id))
        world.violate('I8', `partition ${partition}: output ${id} was never published`);
  }
  const { reason, histories, dead, duplicates } = referenceOf(entries, plan, auditor.quietAfter);
  const isGapped = entries.length < own.length;
  coverage.add(`final state: ${reason ?? (isGapped ? 'after a gap' : 'exact')}`);
  // Repeats of what is gone, or what was read before it was gone, cannot be told from here.
  if (reason !== undefined || ledger.removals > 0) return;
  const where = `partition ${partition}: `;
  const keys = new Set([...histories.keys(), ...shadow.histories.keys()]);
  for (const key of keys) {
    const expected = JSON.stringify(histories.get(key));
    const found = JSON.stringify(shadow.histories.get(key));
    if (expected !== found) world.violate('I1', `${where}key ${key} ends as ${found}, the fold is ${expected}`);
  }
  for (const { sequence } of entries) {
    const fate = shadow.fates.get(sequence);
    if (
      (fate === 'dead') !== dead.has(sequence) ||
      (fate === 'duplicate' || fate === 'repeated') !== duplicates.has(sequence)
    )
      world.violate('I9', `${where}${sequence} is ${fate}, which the fold is not`);
  }
}
