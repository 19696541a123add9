/** A seed, run twice: once with the auditor, once without; both must leave the same trace. */

import { drive } from '../../src/testing/virtual-time.js';
import type { Coverage } from './coverage.js';
import { checkEnd, whatIsMissing } from './final-check.js';
import type { Plan, PlanBounds } from './plan.js';
import { planOf, smallRuns } from './plan.js';
import type { Planted } from './planted.js';
import type { Publish } from './workload.js';
import { workloadOf } from './workload.js';
import type { Violation } from './world.js';
import { World } from './world.js';

export interface SeedOptions {
  readonly bounds?: PlanBounds;
  /** Keeps the trace as text. */
  readonly keepsText?: boolean;
  readonly planted?: Planted;
}

export interface SeedResult {
  readonly seed: number;
  readonly plan: Plan;
  readonly violation: Violation | undefined;
  readonly events: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly coverage: Coverage;
  readonly trace: readonly string[] | undefined;
}

/** Virtual ms within which everything must be decided after the heal. */
const LIVENESS_MS = 20_000;
const LOOK_MS = 10;
const DRAIN_MS_MAX = 5_000;

/** Runs a seed. Errors carry stacks only where the trace is kept: a simulated fault makes many, and nobody reads them. */
export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const { stackTraceLimit } = Error;
  if (options.keepsText !== true) Error.stackTraceLimit = 0;
  try {
    return await runTwice(seed, options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function runTwice(seed: number, options: SeedOptions): Promise<SeedResult> {
  const plan = planOf(seed, options.bounds ?? smallRuns);
  const workload = workloadOf(plan);
  const course = await runAudited(plan, workload, options);
  const first = course.world;
  const second = await runAgain(plan, workload, options, course);
  const [one, two] = [first.trace.digest, second.trace.digest];
  if (one !== two) first.violate('determinism', `two runs differ: ${one} and ${two}`);
  return {
    seed,
    plan,
    violation: first.violation ?? second.violation,
    events: workload.length,
    steps: first.time.steps,
    virtualMs: first.time.now,
    coverage: first.coverage,
    trace: first.trace.lines,
  };
}

/** What the second run must repeat besides the seed. */
interface Course {
  readonly world: World;
  /** Steps after which the node was drained, 0 for never. */
  drainedAt: number;
}

async function runAudited(plan: Plan, workload: readonly Publish[], options: SeedOptions): Promise<Course> {
  const { keepsText = false, planted } = options;
  const world = new World(plan, workload, { audits: true, keepsText, planted });
  const auditor = world.auditor!;
  const course: Course = { world, drainedAt: 0 };
  const running = new Set<number>();
  let lookAt = world.healMs;
  let drainBy = Number.POSITIVE_INFINITY;
  /** Looks at the world between two steps; true if there is nothing more to see. */
  const isOver = (): boolean => {
    const { now, steps } = world.time;
    if (course.drainedAt > 0) {
      if (now > drainBy) world.violate('liveness', 'the drain does not end');
      return world.living.length === 0;
    }
    if (now < lookAt) return false;
    lookAt = now + LOOK_MS;
    const missing = whatIsMissing(world, auditor, running);
    if (missing !== undefined) {
      if (now > world.healMs + LIVENESS_MS) world.violate('liveness', `waits for ${missing}`);
      return false;
    }
    if (!plan.drainsAtEnd) return true;
    course.drainedAt = steps;
    drainBy = now + DRAIN_MS_MAX;
    world.end();
    return false;
  };
  await drive(() => !isOver() && world.violation === undefined && step(world));
  if (world.violation === undefined) await checkEnd(world, auditor, running);
  return course;
}

/** The same again, without the auditor: what it looks at must not depend on its looking. */
async function runAgain(
  plan: Plan,
  workload: readonly Publish[],
  { planted }: SeedOptions,
  { world: first, drainedAt }: Course,
): Promise<World> {
  const world = new World(plan, workload, { audits: false, keepsText: false, planted });
  const { time } = world;
  let isDrained = drainedAt === 0;
  await drive(() => {
    if (!isDrained && time.steps === drainedAt) {
      isDrained = true;
      world.end();
    }
    return time.steps < first.time.steps && step(world);
  });
  return world;
}

function step(world: World): boolean {
  if (world.time.step()) return true;
  world.violate('bug', 'nothing is left to do');
  return false;
}
