/**
 * How long an event takes to be applied and to be durable, with order `none`, dedupe and a checkpoint a second:
 *
 *   node dist/test/bench/latency.js [--rate N] [--seconds 40] [--warm-up 5]
 *
 * First `--rate` is found, unless it is given: half of what the node applies while a publisher sends as fast as it is
 * acknowledged. Then `millrace load` publishes at that rate on its fixed schedule and follows 20 events a second from
 * their moment in the schedule until a stored checkpoint holds them: a question about each waits in the node before the event is sent.
 * What the node adds is the time from the acknowledgement until applied. The first 5 s are not counted: in the first half
 * second of a load the code of every process is compiled, and with 20 samples a second that alone is the p99 of a minute.
 *
 * Not measured: the network, several nodes. Publisher, node and servers share the machine's cores, and so does the
 * half that is asked for here: a node with cores of its own reaches a higher rate.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { LoadResult } from '../../src/cli/load/load-result.js';
import { Cluster } from '../support/cluster.js';
import { until } from '../support/until.js';

const CHECKPOINT_MS = 1_000;
const APPLIED_TARGET_MS = 15;
const DURABLE_TARGET_MS = CHECKPOINT_MS + 50;
/** More than two cores carry. */
const FLOOD_RATE = 60_000;
const FLOOD_SECONDS = 2;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { rate: text, seconds: text, 'warm-up': text } });
const seconds = Number(values.seconds ?? 40);
const warmUp = Number(values['warm-up'] ?? 5);

const cluster = await Cluster.start();
try {
  await cluster.addStream('EVENTS', ['events.*']);
  const handler = {
    handler: 'ledger',
    order: { mode: 'none' },
    checkpoint: { interval: `${CHECKPOINT_MS}ms` },
  } as const;
  const node = cluster.node(await cluster.newApp('main', handler));
  const { fields } = await node.logged('node.ready');
  const { url } = fields as { url: string };
  const applied = async (): Promise<number> =>
    (await node.status()).partitions.reduce((sum, { report }) => sum + (report?.counters.applied ?? 0), 0);

  let rate = Number(values.rate ?? 0);
  if (rate === 0) {
    const start = performance.now();
    const flood = await load(url, FLOOD_RATE, FLOOD_SECONDS, ['--no-watch']);
    await until(async () => (await applied()) >= flood.acknowledged, 60_000, 'everything is applied');
    const most = (flood.acknowledged * 1_000) / (performance.now() - start);
    // The next load compares single keys with what was stored of them before.
    const stored = performance.now() + 3 * CHECKPOINT_MS;
    await until(() => performance.now() >= stored, 60_000, 'everything is stored');
    rate = Math.floor(most / 2);
    console.log(`${Math.round(most)} events/s are published and applied at most, the start of the publisher included`);
  }
  const flags = ['--samples', '20', ...(warmUp > 0 ? ['--warm-up', `${warmUp}s`] : [])];
  const { acknowledged, latencyMs, audit } = await load(url, rate, warmUp + seconds, flags);
  const wrong = audit.filter(({ level }) => level === 'finding');
  if (wrong.length > 0) throw new Error(JSON.stringify(wrong));
  console.log(`${acknowledged} events at ${rate} a second, ms from the scheduled moment, node ${process.version}`);
  for (const [step, report] of Object.entries(latencyMs))
    if (report !== null)
      console.log(
        `${step === 'node' ? 'acknowledged → applied' : step}: p50 ${report.p50.toFixed(1)}, p99 ${report.p99.toFixed(1)}, max ${report.max.toFixed(1)}`,
      );
  verdict('applied', latencyMs.applied?.p99, APPLIED_TARGET_MS);
  verdict('durable', latencyMs.durable?.p99, DURABLE_TARGET_MS);
} finally {
  await cluster.stop();
}

function verdict(step: string, p99: number | undefined, most: number): void {
  if (p99 === undefined) throw new Error(`no event was followed until it was ${step}`);
  console.log(`publish → ${step}, p99: ${p99.toFixed(1)} ms, target ${most}: ${p99 <= most ? 'reached' : 'missed'}`);
}

async function load(url: string, rate: number, duration: number, more: readonly string[]): Promise<LoadResult> {
  const flags = {
    ...{ nats: cluster.nats.url, redis: cluster.redis.url, url, rate, duration: `${duration}s`, keys: 10_000 },
    ...{ handler: 'ledger', 'order-mode': 'none' },
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const ran = promisify(execFile)(process.execPath, [MAIN, 'load', ...args, '--json', '--no-verify', ...more], {
    maxBuffer: 64 * 1024 * 1024,
  });
  // It ends with 1 where the schedule could not be kept, which is what a flood is for; its result is there all the same.
  const { stdout } = await ran.catch((error: { stdout?: string }) => {
    if (!error.stdout) throw error;
    return { stdout: error.stdout };
  });
  return JSON.parse(stdout) as LoadResult;
}
