/**
 * What a seed stands for: the options of the nodes, the speed of everything, and which faults happen how often.
 *
 * Swarm testing: every seed turns a random half of the faults off altogether, because faults that are always on
 * hide each other's effects.
 */
import type { ActorOptions } from '../../src/core/actor/actor.js';
import { Random } from '../support/random.js';

export type Order = ActorOptions['order'];

/** Faults that happen once, at a moment. */
export const strikes = [
  'crash',
  'crash-at-effect',
  'kill-thread',
  'pause',
  'store-down',
  'log-down',
  'coordinator-down',
  'cut-store',
  'cut-log',
  'cut-coordinator',
  'rollback',
  'wipe',
  'lose-record',
  'second-node',
  'drain',
  'wall-jump',
  'log-clock-jump',
  'purge',
  'hole',
  'lose-tail',
  'slow',
  'operate',
] as const;

/** Faults that only a cluster can have: nodes that come and go, and all of them restarted in turn. */
export const clusterStrikes = ['scale', 'roll'] as const;
export type Strike = (typeof strikes)[number] | (typeof clusterStrikes)[number];

/** Faults that happen to single requests. */
export const mishaps = ['reply-lost', 'request-lost', 'request-late', 'request-refused'] as const;
export type Mishap = (typeof mishaps)[number];

/** When a strike comes: at a virtual moment, or after so many effects of all processes together. */
export interface PlannedStrike {
  readonly strike: Strike;
  readonly atMs: number;
  readonly afterEffects: number | undefined;
}

export interface Plan {
  readonly seed: number;
  readonly partitions: number;
  readonly slots: number;
  readonly order: Order;
  readonly settleMs: number;
  readonly idleMs: number;
  readonly late: ActorOptions['late'];
  readonly ahead: ActorOptions['ahead'];
  readonly aheadMsMax: number;
  readonly dedupe: ActorOptions['dedupe'];
  readonly bufferEventsMax: number;
  readonly residentKeysMax: number;
  readonly deadLettersMax: number;
  /** Order `sequence`: how long a missing number is waited for, stream time, and what comes then. */
  readonly waitMs: number;
  readonly gap: ActorOptions['gap'];
  readonly poisonPolicy: ActorOptions['poison'];
  readonly parkedMax: number;
  /** After the heal, an operator ends every quarantine. */
  readonly clearsQuarantines: boolean;
  readonly payloadBytesMax: number;
  readonly checkpointMs: number;
  readonly checkpointBytes: number;
  readonly inFlightBytesMax: number;
  /** Whether nodes go on over a gap: from the start, never, or once an operator has seen the halt. */
  readonly acceptGap: 'always' | 'never' | 'in the end';
  readonly sameName: boolean;
  readonly requestEvents: number;
  readonly heartbeatMs: number;
  /** Longest ordinary delay of one way, ms. */
  readonly storeMs: number;
  readonly logMs: number;
  readonly threadMs: number;
  /** Events cross a wire of their own after the log has let them go. */
  readonly wireMs: number;
  readonly events: number;
  readonly keys: number;
  readonly publishers: number;
  readonly gapMs: number;
  readonly disorderMs: number;
  readonly repeats: number;
  readonly poison: number;
  readonly quiet: number;
  readonly mishaps: Readonly<Record<Mishap, number>>;
  readonly strikes: readonly PlannedStrike[];
  /** From here on nothing fails any more. */
  readonly healMs: number;
  readonly drainsAtEnd: boolean;
  /** Nodes that share the partitions; 0: each claims all of them, and there should be one. */
  readonly nodes: number;
  readonly leaseMs: number;
}

/** Events may wait for each other or for an operator: what such a partition holds of lost events goes on to count. */
export const isParking = ({ order, poisonPolicy }: Plan): boolean =>
  order === 'sequence' || poisonPolicy === 'quarantine';

export interface PlanBounds {
  readonly events: readonly [min: number, max: number];
  readonly order: Order | undefined;
  readonly nodes: readonly [min: number, max: number];
}

export const smallRuns: PlanBounds = { events: [8, 40], order: undefined, nodes: [0, 0] };
export const clusterRuns: PlanBounds = { events: [20, 60], order: undefined, nodes: [1, 5] };

/** How often each strike is drawn among those that a seed has on. */
const weights: Readonly<Record<Strike, number>> = {
  crash: 4,
  'crash-at-effect': 6,
  'kill-thread': 4,
  pause: 2,
  'store-down': 2,
  'log-down': 2,
  'coordinator-down': 1,
  'cut-store': 2,
  'cut-log': 2,
  'cut-coordinator': 1,
  rollback: 4,
  wipe: 1,
  'lose-record': 1,
  'second-node': 3,
  drain: 3,
  'wall-jump': 1,
  'log-clock-jump': 1,
  purge: 1,
  hole: 1,
  'lose-tail': 1,
  slow: 2,
  operate: 6,
  scale: 4,
  roll: 3,
};

export function planOf(seed: number, bounds: PlanBounds = smallRuns): Plan {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5eed);
  const events = random.between(...bounds.events);
  // A cluster needs time to find out who is gone.
  const gapMs = random.pick([4, 10, 20]) * (bounds.nodes[1] > 0 ? 5 : 1);
  const settleMs = random.pick([0, 20, 60, 150]);
  const isTame = random.chance(0.75);
  const spanMs = events * gapMs;
  const order = bounds.order ?? random.pick(['time', 'time', 'time', 'none', 'sequence'] as const);
  return {
    seed,
    partitions: random.between(1, 4),
    slots: random.between(1, 2),
    order,
    settleMs,
    idleMs: random.pick([60, 200, 500]),
    late: random.pick(['drop', 'dead-letter', 'apply'] as const),
    ahead: random.pick(['dead-letter', 'clamp'] as const),
    aheadMsMax: 1_000,
    dedupe: random.chance(0.08) ? undefined : dedupeOf(random),
    bufferEventsMax: random.chance(0.1) ? random.between(2, 8) : 1_000,
    residentKeysMax: random.chance(0.3) ? random.between(1, 3) : 1_000,
    deadLettersMax: random.chance(0.04) ? random.between(1, 3) : 1_000,
    waitMs: random.pick([100, 300, 1_000]),
    gap: random.pick(['skip', 'skip', 'quarantine', 'halt'] as const),
    poisonPolicy: random.chance(0.3) ? 'quarantine' : 'dead-letter',
    parkedMax: random.chance(0.05) ? random.between(1, 4) : 1_000,
    clearsQuarantines: random.chance(0.5),
    payloadBytesMax: 300,
    checkpointMs: random.pick([150, 400, 800]),
    checkpointBytes: random.chance(0.2) ? random.between(100, 1_000) : 1_000_000,
    inFlightBytesMax: random.chance(0.2) ? random.between(500, 3_000) : 50_000,
    acceptGap: random.pick(['always', 'never', 'in the end'] as const),
    sameName: random.chance(0.3),
    requestEvents: random.pick([1, 4, 16, 64]),
    heartbeatMs: random.pick([40, 80, 160]),
    storeMs: random.pick([1, 4, 20]),
    logMs: random.pick([1, 4, 20]),
    threadMs: random.pick([0.25, 2]),
    wireMs: random.chance(0.3) ? random.pick([2, 10, 60]) : 0,
    events,
    keys: random.between(1, 8),
    publishers: random.between(1, 4),
    gapMs,
    disorderMs: isTame ? settleMs * 0.9 : settleMs * 2 + 40,
    repeats: random.pick([0, 0.05, 0.2]),
    poison: random.pick([0, 0.03, 0.1]),
    quiet: random.pick([0, 0.01, 0.04]),
    mishaps: mishapsOf(random),
    strikes: strikesOf(random, spanMs, bounds),
    healMs: spanMs + random.between(20, 500),
    drainsAtEnd: random.chance(0.2),
    nodes: random.between(...bounds.nodes),
    leaseMs: random.pick([1_200, 2_000]),
  };
}

function dedupeOf(random: Random): NonNullable<ActorOptions['dedupe']> {
  const horizonMs = random.chance(0.1) ? random.between(100, 600) : 3_600_000;
  return { horizonMs, idsMax: random.chance(0.07) ? random.between(3, 20) : 1_000_000 };
}

function mishapsOf(random: Random): Plan['mishaps'] {
  const chance = (): number => (random.chance(0.5) ? random.pick([0.01, 0.05, 0.2]) : 0);
  return {
    'reply-lost': chance(),
    'request-lost': chance(),
    'request-late': chance(),
    'request-refused': chance(),
  };
}

function strikesOf(random: Random, spanMs: number, { nodes: [, nodesMax] }: PlanBounds): PlannedStrike[] {
  if (random.chance(0.05)) return [];
  // A second node that claims everything is what nodes without a cluster do.
  const possible: readonly Strike[] =
    nodesMax === 0 ? strikes : [...strikes.filter((strike) => strike !== 'second-node'), ...clusterStrikes];
  const on = possible.filter(() => random.chance(0.5));
  if (on.length === 0) return [];
  const total = on.reduce((sum, strike) => sum + weights[strike], 0);
  return Array.from({ length: random.between(2, 10) }, () => {
    const at = random.next() * total;
    let past = 0;
    const isHit = (one: (typeof on)[number]): boolean => {
      past += weights[one];
      return at < past;
    };
    const strike = on.find(isHit) ?? on[0]!;
    const afterEffects = random.chance(0.5) ? random.between(5, spanMs) : undefined;
    return { strike, atMs: random.between(0, spanMs + 200), afterEffects };
  });
}
