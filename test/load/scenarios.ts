/** The load scenarios: each drives `millrace load` against a node of its own and says what came out. */
import type { LoadResult } from '../../src/cli/load/load-result.js';
import { grouped, table } from '../../src/cli/text.js';
import type { LoadGround } from './load-ground.js';
import { type Reading, recoverySeconds, slopePerHour, whyBehind } from './trends.js';

export interface ScenarioOptions {
  /** Events per second; of the stress, of its first step. */
  readonly rate: number;
  /** Length of a load, s. */
  readonly seconds: number;
  readonly minutes: number;
  readonly keys: number;
  readonly publishers: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface ScenarioResult {
  readonly text: string;
  readonly findings: readonly string[];
  readonly loads: readonly LoadResult[];
}

export type Scenario = (ground: LoadGround, options: ScenarioOptions) => Promise<ScenarioResult>;

const RATE_MAX = 512_000;
const SPIKE_FACTOR = 10;
const MEMORY_LOOK_MS = 1_000;
/** Memory that grows faster is a finding, MiB an hour; in a short run growth says nothing. */
const SLOPE_MAX = 64;
const JUDGED_MINUTES = 10;

const flagsOf = ({ keys, publishers, seed }: ScenarioOptions, rate: number, seconds: number): string[] => [
  ...['--rate', String(rate), '--duration', `${seconds}s`, '--keys', String(keys), '--seed', String(seed)],
  ...['--publishers', String(publishers)],
];

const findingsOf = (result: LoadResult): string[] =>
  result.audit.filter(({ level }) => level === 'finding').map(({ check, found }) => `${check}: ${found}`);

const ms = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(value < 100 ? 1 : 0));
const lagOf = ({ series }: LoadResult): number => Math.max(0, ...series.map(({ unread }) => unread ?? 0));

const HEADS = [
  'load',
  'acknowledged/s',
  'ack p50',
  'ack p99',
  'ack p99.9',
  'applied p99',
  'durable p99',
  'most unread',
];

function rowOf(name: string, result: LoadResult): string[] {
  const { acknowledged, applied, durable } = result.latencyMs;
  const ack = [acknowledged?.p50, acknowledged?.p99, acknowledged?.p999].map(ms);
  const rest = [ms(applied?.p99), ms(durable?.p99), grouped(lagOf(result))];
  return [name, grouped(result.acknowledgedPerSecond), ...ack, ...rest];
}

/** Doubles the load until the node or the log no longer keeps up: the knee is the last load that was taken in. */
const stress: Scenario = async (ground, options) => {
  const loads: LoadResult[] = [];
  let knee: number | undefined;
  for (let rate = options.rate; rate <= RATE_MAX; rate *= 2) {
    const result = await ground.load(...flagsOf(options, rate, options.seconds), '--no-verify');
    loads.push(result);
    const why = whyBehind(result);
    options.say(`${grouped(rate)} a second: ${why ?? 'kept up'}`);
    if (why !== undefined) break;
    knee = rate;
  }
  const rows = loads.map((result) => rowOf(grouped(result.ratePerSecond), result));
  const last = knee === undefined ? `below ${grouped(options.rate)}` : `${grouped(knee)}`;
  return { text: `${table(HEADS, rows)}\nknee: ${last} events a second`, findings: [], loads };
};

/** The same load for a long time: memory must not grow, and the outcome must be right. */
const soak: Scenario = async (ground, options) => {
  const readings: Reading[] = [];
  const startedAt = performance.now();
  const watch = setInterval(async () => {
    const value = await ground.memoryMiB();
    if (value !== undefined) readings.push({ seconds: (performance.now() - startedAt) / 1_000, value });
  }, MEMORY_LOOK_MS);
  let result: LoadResult;
  try {
    const planted = ['--duplicates', '3', '--disorder', '500ms', '--skew', '1'];
    result = await ground.load(...flagsOf(options, options.rate, options.minutes * 60), ...planted);
  } finally {
    clearInterval(watch);
  }
  const slope = slopePerHour(readings);
  const most = Math.max(...readings.map(({ value }) => value));
  const memory = `memory of the node: ${most.toFixed(0)} MiB at most, ${slope.toFixed(1)} MiB an hour after its first third`;
  const grows = options.minutes >= JUDGED_MINUTES && slope > SLOPE_MAX ? [memory] : [];
  const text = `${table(HEADS, [rowOf(`${options.minutes} min`, result)])}\n${memory}`;
  return { text, findings: [...findingsOf(result), ...grows], loads: [result] };
};

/** Ten times the load for a tenth of the time: how far it falls behind, and how soon it has caught up. */
const spike: Scenario = async (ground, options) => {
  const peak = options.rate * SPIKE_FACTOR;
  const flags = flagsOf(options, options.rate, options.seconds);
  const result = await ground.load(...flags, '--profile', 'burst', '--peak', String(peak));
  const recovery = recoverySeconds(result.series, options.rate);
  const caught = recovery === undefined ? 'did not catch up while it was loaded' : `caught up within ${recovery} s`;
  const text = `${table(HEADS, [rowOf(`${grouped(options.rate)}, ${grouped(peak)} in bursts`, result)])}\n${caught}`;
  return { text, findings: findingsOf(result), loads: [result] };
};

/** One key takes half of all events, next to the same load without it. */
const hotKey: Scenario = async (ground, options) => {
  const flags = flagsOf(options, options.rate, options.seconds);
  const even = await ground.load(...flags, '--no-verify');
  const hot = await ground.load(...flags, '--hot', '50');
  const text = table(HEADS, [rowOf('all keys alike', even), rowOf('one key takes 50 %', hot)]);
  return { text, findings: [...findingsOf(even), ...findingsOf(hot)], loads: [even, hot] };
};

export const scenarios: Readonly<Record<string, Scenario>> = { stress, soak, spike, 'hot-key': hotKey };
