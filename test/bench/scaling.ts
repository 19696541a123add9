/**
 * What an event costs when work is spread: CPU per event of three nodes on three streams, next to one node on one stream.
 *
 *   node dist/test/bench/scaling.js [--events 300000] [--keys 30000] [--rounds 3]
 *
 * Both take the same traffic, order `time`, dedupe, a checkpoint a second, one thread a node. The first third warms the nodes up;
 * then they are stopped (SIGSTOP) while the rest is stored, so that they find a backlog.
 *
 * Measured: CPU time of all nodes from then on until everything is applied, per event; median of the rounds.
 * Not measured: the start of nodes and their code being compiled; events per second, since the nodes share the machine's cores with each other; the servers; the mapping.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { provision } from '../../src/compose/provision.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import { Cluster } from '../support/cluster.js';
import { type FilledStream, generate, PARTITIONS, type Traffic } from './fill-stream.js';
import { MeasuredNode, type Totals } from './measured-node.js';

const TARGET = 1.15;
const FLIGHT = 5_000;
const POLL_MS = 100;

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { events: text, keys: text, rounds: text } });
const traffic: Traffic = {
  events: Number(values.events ?? 300_000),
  keys: Number(values.keys ?? 30_000),
  form: 'json',
};
const rounds = Number(values.rounds ?? 3);
const warmUp = Math.floor(traffic.events / 3);

const figures = new Map<number, number[]>([
  [1, []],
  [3, []],
]);
for (let round = 1; round <= rounds; round++) {
  for (const [count, micros] of figures) {
    const cluster = await Cluster.start();
    try {
      micros.push(await measure(cluster, count));
      console.log(`round ${round}, ${count} × node and stream: ${micros.at(-1)!.toFixed(2)} µs of CPU per event`);
    } finally {
      await cluster.stop();
    }
  }
}
const [one, three] = [...figures.values()].map(median) as [number, number];
const ratio = three / one;
const verdict = ratio <= TARGET ? 'reached' : 'missed';
console.log(`three nodes on three streams ÷ one on one: ${ratio.toFixed(2)}, at most ${TARGET}: ${verdict}`);

async function measure(cluster: Cluster, count: number): Promise<number> {
  const options = await cluster.newApp('main', {
    handler: 'ledger',
    partitions: PARTITIONS,
    stream: { count },
    checkpoint: { interval: '1s' },
  });
  await provision(defaultOptions(options), () => undefined, { create: true, move: false });
  const nodes = await Promise.all(Array.from({ length: count }, (_, ordinal) => started(options, count, ordinal)));
  const cpuMs = (): number => sum(nodes.map((node) => node.cpuMs()!));
  const signal = (name: NodeJS.Signals): void => {
    for (const node of nodes) node.signal(name);
  };
  const until = async (isDone: (totals: readonly Totals[]) => boolean): Promise<void> => {
    while (!isDone(await Promise.all(nodes.map((node) => node.totals())))) await delay(POLL_MS);
  };
  let before = 0;
  const { messages, duplicates } = await fill(cluster, count, async (stored) => {
    await until((totals) => sum(totals.map(({ read }) => read)) >= stored && totals.every(isTakenIn));
    before = cpuMs();
    signal('SIGSTOP');
  });
  signal('SIGCONT');
  await until((totals) => sum(totals.map(({ applied }) => applied)) >= messages - duplicates);
  const micros = ((cpuMs() - before) * 1_000) / (messages - warmUp);
  await Promise.all(nodes.map((node) => node.drain()));
  return micros;
}

function isTakenIn({ inFlightBytes }: Totals): boolean {
  return inFlightBytes === 0;
}

function started(options: OptionsInput, replicas: number, ordinal: number): Promise<MeasuredNode> {
  const cluster = replicas > 1 ? { replicas, ordinal } : {};
  return new MeasuredNode({ ...options, node: `n-${ordinal}`, cluster }).ready();
}

/**
 * Publishes as the server's mapping would: to a partition's own subject where there are several streams. `warm` is called
 * when the first part is stored, with the number of its messages.
 */
async function fill(
  { nc }: Cluster,
  streams: number,
  warm: (stored: number) => Promise<void>,
): Promise<Pick<FilledStream, 'messages' | 'duplicates'>> {
  let messages = 0;
  const duplicates = await generate(traffic, async (key, body) => {
    const subject = streams === 1 ? `events.${key}` : `events.${partitionOf(key, PARTITIONS)}.${key}`;
    if (++messages % FLIGHT === 0) await nc.request(subject, body, { timeout: 20_000 });
    else nc.publish(subject, body);
    if (messages !== warmUp) return;
    await nc.flush();
    await warm(messages);
  });
  await nc.flush();
  return { messages, duplicates };
}

function sum(items: readonly number[]): number {
  return items.reduce((total, item) => total + item, 0);
}

function median(items: readonly number[]): number {
  return [...items].sort((a, b) => a - b)[Math.floor(items.length / 2)]!;
}
