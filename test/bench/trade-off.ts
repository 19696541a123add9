/**
 * What the settle window and the checkpoint interval cost and give, on one disordered load over SQLite.
 *
 *   npm run bench:trade-off -- [--rate N] [--seconds N] [--backlog N] [--write docs]
 *
 * For every settle window and checkpoint interval, a node of its own
 *   live      takes --rate events a second for --seconds, 70 % of them up to 50 ms after they happened, 25 % up to half a
 *             second, 5 % up to three seconds, and 3 % twice. Measured: the time from the append of an event until a
 *             stored checkpoint has decided it (freshness), rows of the table `status` written per second, transactions
 *             per second, and the share of events that came after a newer one of their key was applied (late)
 *   backlog   drains --backlog events of the same kind. Measured: events per second
 *
 * Not measured: the network, other stores, several nodes. The publisher, the node and the watch share the machine's
 * cores. Freshness is seen by looking at the stored positions about every 10 ms.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { svgPlot } from '../../src/cli/svg-plot.js';
import type { Ground } from './grounds.js';
import { openSqliteGround } from './grounds.js';
import { append, LoadEvents, quantile, runLoad } from './live-load.js';
import { MeasuredNode } from './measured-node.js';

const SETTLES = ['0', '100ms', '1s', '5s'] as const;
const CHECKPOINTS = ['100ms', '1s', '5s'] as const;
const PARTITIONS = 8;
const KEYS = 2_000;
const SEED = 20261122;
const WARM_UP_SECONDS = 2;
/** At the end of a load the last events are released early, because nothing follows them. */
const COOL_DOWN_SECONDS = 5.5;
/** Events of the backlog in a second of their own time. */
const BACKLOG_RATE = 5_000;
const FLIGHT = 5_000;

interface Row {
  readonly settle: string;
  readonly checkpoint: string;
  readonly drained: number;
  readonly rows: number;
  readonly commits: number;
  readonly p50: number;
  readonly p99: number;
  readonly late: number;
}

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { rate: text, seconds: text, backlog: text, write: text } });
const count = (value: string | undefined, fallback: number): number => {
  const number = Number(value ?? fallback);
  if (!Number.isSafeInteger(number) || number < 1) throw new TypeError(`${value} must be a whole number above 0`);
  return number;
};
const rate = count(values.rate, 2_000);
const seconds = count(values.seconds, 14);
const backlog = count(values.backlog, 150_000);
const say = (line: string): void => console.error(line);

const nodeOptions = (settle: string, checkpoint: string) => ({
  handler: 'ledger',
  partitions: PARTITIONS,
  threads: 1,
  order: { mode: 'time', settle } as const,
  checkpoint: { interval: checkpoint },
});

async function live(settle: string, checkpoint: string): Promise<Omit<Row, 'drained'>> {
  const ground = await openSqliteGround();
  const node = new MeasuredNode(await ground.app('live', nodeOptions(settle, checkpoint)));
  try {
    await node.ready();
    const result = await runLoad(ground, 'live', {
      ...{ seed: SEED, keys: KEYS, partitions: PARTITIONS, rate, seconds },
      ...{ warmUpSeconds: WARM_UP_SECONDS, coolDownSeconds: COOL_DOWN_SECONDS },
    });
    const totals = await node.totals();
    return {
      settle,
      checkpoint,
      rows: totals.rows / result.seconds,
      commits: totals.commits / result.seconds,
      p50: quantile(result.freshness, 0.5),
      p99: quantile(result.freshness, 0.99),
      late: totals.late / result.events,
    };
  } finally {
    await node.kill();
    await ground.close();
  }
}

async function fill(ground: Ground): Promise<void> {
  const events = new LoadEvents(SEED, KEYS);
  const from = Date.now() - (backlog / BACKLOG_RATE) * 1_000 - 10_000;
  for (let at = 0; at < backlog; at += FLIGHT) {
    const appends: Promise<number>[] = [];
    for (let n = at; n < Math.min(at + FLIGHT, backlog); n++) {
      const { key, id, body } = events.next(Math.floor(from + (n / BACKLOG_RATE) * 1_000));
      appends.push(append(ground.sink, key, id, body));
    }
    await Promise.all(appends);
  }
}

async function drain(ground: Ground, settle: string, checkpoint: string): Promise<number> {
  const app = `drain-${settle}-${checkpoint}`;
  const node = new MeasuredNode(await ground.app(app, nodeOptions(settle, checkpoint)));
  try {
    const start = await node.ready().then(() => node.until(({ read }) => read > 0));
    const end = await node.until(({ read, inFlightBytes }) => read >= backlog && inFlightBytes === 0);
    return ((end.read - start.read) * 1_000) / Math.max(1, end.at - start.at);
  } finally {
    await node.kill();
  }
}

const measured: Row[] = [];
const filled = await openSqliteGround();
try {
  await measure(filled);
} finally {
  await filled.close();
}

async function measure(full: Ground): Promise<void> {
  await full.app('fill', nodeOptions('0', '1s'));
  await fill(full);
  for (const settle of SETTLES) {
    for (const checkpoint of CHECKPOINTS) {
      const row = { ...(await live(settle, checkpoint)), drained: await drain(full, settle, checkpoint) };
      measured.push(row);
      say(JSON.stringify(row));
    }
  }
}

const number = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

const heading = [
  'settle window',
  'checkpoint',
  'freshness p50, ms',
  'p99, ms',
  'late events',
  'rows/s',
  'transactions/s',
  'backlog, events/s',
];
const cells = measured.map((row) => [
  row.settle,
  row.checkpoint,
  number(row.p50),
  number(row.p99),
  `${number(row.late * 100, 2)} %`,
  number(row.rows),
  number(row.commits, 1),
  number(row.drained),
]);
const line = (words: readonly string[]): string => `| ${words.join(' | ')} |`;
const table = [line(heading), line(heading.map(() => '---')), ...cells.map(line)].join('\n');

const of = (checkpoint: string, value: (row: Row) => number): number[] =>
  measured.filter((row) => row.checkpoint === checkpoint).map(value);
const plot = svgPlot({
  title: `Settle window and checkpoint interval: ${number(rate)} disordered events a second over SQLite`,
  axis: 'settle window',
  places: SETTLES,
  panels: [
    {
      title: 'Freshness',
      unit: 'ms (log)',
      scale: 'log',
      series: CHECKPOINTS.flatMap((checkpoint) => [
        { name: `p50, checkpoint ${checkpoint}`, values: of(checkpoint, ({ p50 }) => p50) },
        { name: `p99, checkpoint ${checkpoint}`, values: of(checkpoint, ({ p99 }) => p99) },
      ]),
    },
    {
      title: 'Late events',
      unit: '% of all',
      scale: 'linear',
      series: CHECKPOINTS.map((checkpoint) => ({
        name: `checkpoint ${checkpoint}`,
        values: of(checkpoint, ({ late }) => late * 100),
      })),
    },
    {
      title: 'Written to the table',
      unit: 'rows/s',
      scale: 'linear',
      series: CHECKPOINTS.map((checkpoint) => ({
        name: `checkpoint ${checkpoint}`,
        values: of(checkpoint, ({ rows }) => rows),
      })),
    },
  ],
});

console.log(`\nnode ${process.version}, ${availableParallelism()} cores\n\n${table}`);
if (values.write !== undefined) {
  await mkdir(values.write, { recursive: true });
  await writeFile(join(values.write, 'trade-off.svg'), plot);
  await writeFile(join(values.write, 'trade-off.md'), page());
}

function page(): string {
  return `# Freshness against order and writes

Events arrive late and out of order. Two options decide how current the state is and what that costs:

- \`order.settle\`, the settle window: how long an event waits for earlier ones. A longer one makes fewer events late (come
  after a newer one of their key was applied), and everything older by that time.
- \`checkpoint.interval\`: how often a partition is stored. A longer one writes fewer rows, since a key that changed many
  times in between is written once, and makes everything that is read older by up to that time.

One load, ${number(rate)} events a second over ${number(KEYS)} keys (a fifth of them over 20), 70 % of them up to 50 ms after they
happened, 25 % up to half a second, 5 % up to three seconds, 3 % twice; one node with one thread over SQLite, ${PARTITIONS} partitions.
Freshness is the time from the append of an event until a stored checkpoint has decided it. The last column drains a
backlog of ${number(backlog)} events of the same kind.

![Freshness, late events and rows written, by settle window and checkpoint interval](trade-off.svg)

${table}

Node ${process.version}, ${availableParallelism()} shared cores with other work beside: the times are upper bounds, the last column a lower one that
moves with that work. This page and its plot are written by the bench itself:

\`\`\`sh
npm run bench:trade-off -- --write docs
\`\`\`
`;
}
