/**
 * One run of `millrace dev`: place → streams → node → demo → (Ctrl-C) → settled → drained → verdict → gone.
 *
 * Owns the order of these steps, and that each is undone whatever happens.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { provision } from '../../compose/provision.js';
import { type RunningNode, runNode } from '../../compose/run.js';
import { codeOf } from '../../errors.js';
import type { Options } from '../../options/types.js';
import type { Node } from '../../runtime/node.js';
import { exitCode } from '../exit-codes.js';
import type { StopSignals } from '../stop-signals.js';
import { DemoPublisher } from './demo-publisher.js';
import type { DemoPlace } from './demo-world.js';
import type { DevOptions } from './dev-options.js';
import type { DevOutput } from './dev-output.js';
import { hasSettled, progressOf } from './progress.js';
import { judge, verdictText } from './verdict.js';
import { modeText, welcomeFields, welcomeText } from './welcome.js';

/** `embedded`: a SQLite file and nothing else. `services`: nats-server and redis-server. */
export type DevMode = 'embedded' | 'services';

export interface DevRun {
  readonly mode: DevMode;
  readonly options: DevOptions;
  readonly dir: string;
  readonly keep: boolean;
  readonly accounts: number;
  readonly rate: number;
  /** Stops by itself after this many seconds. */
  readonly seconds: number | undefined;
  readonly output: DevOutput;
  readonly stopping: StopSignals;
}

/** After the last event, beyond the time that events wait for others, ms. */
const SETTLE_MS_MAX = 30_000;
const ASK_MS = 50;
const ATTEMPTS_MAX = 5;

/** Runs until it is stopped; settles with the exit code. */
export async function runDev(run: DevRun): Promise<number> {
  const { output, stopping, dir, keep } = run;
  const say = (line: string): void => output.say(line);
  let place: DemoPlace | undefined;
  // Data that do not add up are evidence and stay.
  let isEvidence = false;
  try {
    const { nats, redis, mapping } = run.options;
    const placeOptions = { dir, keep, say, signal: stopping.signal };
    output.tell('mode', { mode: run.mode }, modeText(run.mode));
    place =
      run.mode === 'embedded'
        ? await (await import('./embedded-place.js')).openEmbeddedPlace(placeOptions)
        : await (await import('./services-place.js')).openServicesPlace({ nats, redis, mapping }, placeOptions);
    const { options, node } = await startNode(run, place);
    isEvidence = true;
    isEvidence = !(await runDemo(run, place, options, node));
    return isEvidence ? exitCode.finding : exitCode.ok;
  } catch (error) {
    if (isEvidence || !stopping.signal.aborted) throw error;
    output.say('Stopped before it was ready.');
    return exitCode.finding;
  } finally {
    await place?.stop(!keep && !isEvidence);
    if (isEvidence && !keep) output.say(`The data stay in ${dir} until the next start.`);
  }
}

interface StartedNode {
  readonly options: Options;
  readonly node: RunningNode;
}

/** Provisions and starts the node. A free port may be gone before it is used; then the next one is taken. */
async function startNode(run: DevRun, place: DemoPlace, attempt = 1): Promise<StartedNode> {
  const { options, output, stopping } = run;
  const resolved = await options.resolve(place.flags);
  await provision(resolved, output.line, { create: true, move: false });
  try {
    return { options: resolved, node: await runNode(resolved, { line: output.line, signal: stopping.signal }) };
  } catch (error) {
    if (codeOf(error) !== 'PORT_IN_USE' || !options.picksPorts || attempt === ATTEMPTS_MAX) throw error;
    return startNode(run, place, attempt + 1);
  }
}

/** The demo on a node that runs; true if the verdict is good. */
async function runDemo(run: DevRun, place: DemoPlace, options: Options, running: RunningNode): Promise<boolean> {
  const { output, stopping, accounts, rate, seconds, keep } = run;
  const { signal } = stopping;
  const { node, url, probesUrl } = running;
  const undo: (() => unknown)[] = [() => running.stop()];
  try {
    const world = await place.connect(options, output.line, signal);
    undo.push(() => world.close());
    const demo = new DemoPublisher({ world, accounts, rate });
    demo.start();
    undo.push(() => demo.halt());
    const timer = seconds === undefined ? undefined : setTimeout(() => stopping.stop(), seconds * 1_000);
    undo.push(() => clearTimeout(timer));
    const welcome = { options, place, url, probesUrl, accounts, rate, seconds, keep };
    output.tell('ready', welcomeFields(welcome), welcomeText(welcome));
    output.startStatus(() => progressOf(node.status(), Date.now()));
    undo.push(() => output.stopStatus());
    const failure = await Promise.race([node.failed, untilAborted(signal)]);
    output.stopStatus();
    if (failure !== undefined) throw failure;
    output.tell('stopping', {}, 'Publishing has stopped; waiting until everything is applied and stored …');
    const lasts = await demo.stop();
    await untilSettled(node, lasts, options, output);
    const { halted } = progressOf(node.status(), Date.now());
    await running.stop();
    const verdict = await judge({ world, options, lasts, halted });
    output.tell('verdict', verdict, verdictText(verdict));
    return verdict.ok;
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

/** Waits until everything up to the last event is decided. What is not after the deadline is for the verdict to tell. */
async function untilSettled(node: Node, lasts: readonly number[], options: Options, output: DevOutput): Promise<void> {
  const { settleMs, idleMs } = options.order;
  const deadline = performance.now() + settleMs + idleMs + SETTLE_MS_MAX;
  while (!hasSettled(node.status(), lasts)) {
    if (performance.now() > deadline) return output.say('This takes too long; going on without the rest.');
    await delay(ASK_MS);
  }
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
