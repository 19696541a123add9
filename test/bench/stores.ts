/**
 * One row per store: how fast events are taken in, how fast they become state, how fresh that is, how much memory a
 * node needs.
 *
 *   npm run bench:stores -- [--events N] [--only sqlite|services|postgres] [--write FILE]
 *
 * For each store, with everything it needs on this machine
 *   ingest     --events events are appended by one publisher with 5,000 under way, each acknowledged when it is stored;
 *              CPU time of the publisher's process, which with SQLite is all there is
 *   sync       a node with one thread drains them: order `time`, settle 100 ms, dedupe, a checkpoint a second, a ledger of
 *              100,000 accounts. Events per second from the first read to the last taken in; CPU time and peak memory of
 *              the node's process (not of the servers)
 *   freshness  another application takes 2,000 events a second for 8 s, most of them up to 50 ms late; from the append of
 *              an event until a stored checkpoint has decided it
 *
 * Not measured: the network, HTTP, several nodes or publishers. Servers, node and publisher share the machine's cores.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { OptionsInput } from '../../src/options/types.js';
import type { Ground } from './grounds.js';
import { openPostgresGround, openServicesGround, openSqliteGround } from './grounds.js';
import { append, LoadEvents, quantile, runLoad } from './live-load.js';
import { MeasuredNode } from './measured-node.js';

const openers = { sqlite: openSqliteGround, postgres: openPostgresGround, services: openServicesGround } as const;

const SEED = 20261122;
const KEYS = 100_000;
const PARTITIONS = 64;
const FLIGHT = 5_000;

interface Row {
  readonly store: string;
  readonly ingest: number;
  readonly sync: number;
  /** CPU time of the publisher's and of the node's process, µs per event. */
  readonly ingestCpu: number;
  readonly syncCpu: number | undefined;
  readonly p50: number;
  readonly p99: number;
  readonly peakRssMiB: number | undefined;
}

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { events: text, only: text, write: text } });
const events = Number(values.events ?? 300_000);
const kinds = (Object.keys(openers) as (keyof typeof openers)[]).filter((kind) => (values.only ?? kind) === kind);
if (!Number.isSafeInteger(events) || events < FLIGHT || kinds.length === 0)
  throw new TypeError(`--events from ${FLIGHT} on, --only one of ${Object.keys(openers).join(', ')}`);

const nodeOptions: OptionsInput = {
  handler: 'ledger',
  partitions: PARTITIONS,
  threads: 1,
  order: { mode: 'time', settle: '100ms' },
  checkpoint: { interval: '1s' },
};

async function measure(ground: Ground): Promise<Row> {
  const options = await ground.app('drain', nodeOptions);
  const filled = await fill(ground);
  const node = await new MeasuredNode(options).ready();
  const start = await node.until(({ read }) => read > 0);
  const cpuMs = node.cpuMs();
  const end = await node.until(({ read, inFlightBytes }) => read >= events && inFlightBytes === 0);
  const used = (node.cpuMs() ?? Number.NaN) - (cpuMs ?? Number.NaN);
  const peakRssMiB = node.peakRssMiB();
  await node.drain();
  const sync = ((end.read - start.read) * 1_000) / Math.max(1, end.at - start.at);
  const syncCpu = Number.isNaN(used) ? undefined : (used * 1_000) / (end.read - start.read);
  return { store: ground.name, ...filled, sync, syncCpu, peakRssMiB, ...(await freshness(ground)) };
}

async function fill(ground: Ground): Promise<Pick<Row, 'ingest' | 'ingestCpu'>> {
  const load = new LoadEvents(SEED, KEYS);
  const from = Date.now() - events - 10_000;
  const made = Array.from({ length: events }, (_, n) => load.next(from + n));
  const startedAt = performance.now();
  const before = process.cpuUsage();
  const pending = new Set<Promise<unknown>>();
  for (const { key, id, body } of made) {
    const sent: Promise<unknown> = append(ground.sink, key, id, body).then(() => pending.delete(sent));
    pending.add(sent);
    while (pending.size >= FLIGHT) await Promise.race(pending);
  }
  await Promise.all(pending);
  const { user, system } = process.cpuUsage(before);
  return { ingest: (events * 1_000) / (performance.now() - startedAt), ingestCpu: (user + system) / events };
}

async function freshness(ground: Ground): Promise<Pick<Row, 'p50' | 'p99'>> {
  // Its backlog is the same events: what is measured begins when they are done.
  const node = await new MeasuredNode(await ground.app('live', nodeOptions)).ready();
  try {
    await node.until(({ read, inFlightBytes }) => read >= events && inFlightBytes === 0);
    const load = { seed: SEED + 1, keys: KEYS, partitions: PARTITIONS, rate: 2_000, seconds: 8 };
    const result = await runLoad(ground, 'live', { ...load, warmUpSeconds: 2, coolDownSeconds: 1 });
    return { p50: quantile(result.freshness, 0.5), p99: quantile(result.freshness, 0.99) };
  } finally {
    await node.kill();
  }
}

const measured: Row[] = [];
for (const kind of kinds) {
  const ground = await openers[kind]();
  try {
    measured.push(await measure(ground));
    console.error(JSON.stringify(measured.at(-1)));
  } finally {
    await ground.close();
  }
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const micros = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(1));
const heading = [
  ...['store', 'ingest, events/s', 'CPU µs/event', 'SYNC, events/s', 'CPU µs/event'],
  ...['freshness p50, ms', 'p99, ms', 'peak memory, MiB'],
];
const rows = measured.map(({ store, ingest, ingestCpu, sync, syncCpu, p50, p99, peakRssMiB }) => [
  ...[store, whole(ingest), micros(ingestCpu), whole(sync), micros(syncCpu), whole(p50), whole(p99)],
  peakRssMiB === undefined ? '-' : whole(peakRssMiB),
]);
const line = (words: readonly string[]): string => `| ${words.join(' | ')} |`;
const table = [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
console.log(`\nnode ${process.version}, ${availableParallelism()} cores, ${whole(events)} events\n\n${table}`);
if (values.write !== undefined) await writeFile(values.write, `${table}\n`);
