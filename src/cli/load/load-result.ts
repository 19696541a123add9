/** What a load found, and how it is shown. */
import { svgPlot } from '../svg-plot.js';
import { grouped, oneLine, table } from '../text.js';
import type { LatencyReport } from './latency.js';
import type { Check } from './load-audit.js';

/** One second of the schedule. */
export interface LoadSecond {
  readonly second: number;
  /** Events whose moment came. */
  readonly offered: number;
  readonly acknowledged: number;
  /** 99 % of these were acknowledged within this time from their moment, ms; null where none was counted. */
  readonly p99Ms: number | null;
  /** Events that the node had not read; null while that is not known. */
  readonly unread: number | null;
  /** Events that waited for their turn in the node. */
  readonly buffered: number | null;
}

export interface LoadResult {
  readonly target: string;
  readonly profile: string;
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Length of its first part, whose latencies are not counted. */
  readonly warmUpMs: number;
  readonly seed: number;
  readonly publishers: number;
  readonly keys: number;
  readonly skew: number;
  readonly hot: number;
  readonly size: number;
  readonly duplicates: number;
  readonly disorderMs: number;
  /** Ended by a person before its time. */
  readonly isInterrupted: boolean;
  /** From the first moment of the schedule to the last acknowledgement. */
  readonly seconds: number;
  readonly scheduled: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly acknowledgedPerSecond: number;
  /** From the scheduled moment of an event, ms. */
  readonly latencyMs: {
    readonly sent: LatencyReport | null;
    readonly acknowledged: LatencyReport | null;
    readonly applied: LatencyReport | null;
    readonly durable: LatencyReport | null;
    /** From the acknowledgement, as the publisher had it, until applied: what the node adds, and its wait for earlier events. */
    readonly node: LatencyReport | null;
  };
  readonly series: readonly LoadSecond[];
  readonly audit: readonly Check[];
}

const STEPS = ['sent', 'acknowledged', 'applied', 'durable'] as const;
const WORDS = { ok: 'OK', finding: 'FOUND', unknown: '–' } as const;

export function resultText(result: LoadResult): string {
  const { acknowledged, acknowledgedPerSecond, seconds, failures, latencyMs, warmUpMs, audit } = result;
  const failed = Object.entries(failures).map(([code, count]) => `; ${grouped(count)} failed with ${code}`);
  const warmUp = warmUpMs > 0 ? `, without the first ${warmUpMs / 1_000} s` : '';
  const rows = STEPS.map((step) => [step, ...cellsOf(latencyMs[step])]);
  rows.push(['acknowledged → applied', ...cellsOf(latencyMs.node)]);
  return [
    `${grouped(acknowledged)} events acknowledged in ${seconds.toFixed(1)} s, ${grouped(acknowledgedPerSecond)} a second${failed.join('')}${result.isInterrupted ? '; interrupted' : ''}`,
    '',
    table([`ms from the scheduled moment${warmUp}`, 'events', 'p50', 'p99', 'p99.9', 'max'], rows),
    '',
    ...audit.map(({ check, level, found }) => oneLine(`${WORDS[level].padEnd(5)}  ${check}: ${found}`)),
  ].join('\n');
}

function cellsOf(report: LatencyReport | null): string[] {
  if (report === null) return ['0', '–', '–', '–', '–'];
  const { count, p50, p99, p999, max } = report;
  return [grouped(count), ...[p50, p99, p999, max].map((ms) => ms.toFixed(ms < 100 ? 1 : 0))];
}

const PLACES_MAX = 10;

/** Rates, latency and lag over the time, as SVG. */
export function resultPlot(result: LoadResult): string {
  const width = Math.max(1, Math.ceil(result.series.length / PLACES_MAX));
  const bins = Array.from({ length: Math.ceil(result.series.length / width) }, (_, at) =>
    result.series.slice(at * width, (at + 1) * width),
  );
  const mean = (of: (second: LoadSecond) => number): number[] =>
    bins.map((bin) => bin.reduce((sum, second) => sum + of(second), 0) / bin.length);
  const most = (of: (second: LoadSecond) => number): number[] => bins.map((bin) => Math.max(...bin.map(of)));
  return svgPlot({
    title: `millrace load: ${result.profile}, ${grouped(result.ratePerSecond)} a second`,
    axis: 'seconds',
    places: bins.map((bin) => String(bin[0]!.second)),
    panels: [
      {
        title: 'Events',
        unit: 'a second',
        scale: 'linear',
        series: [
          { name: 'offered', values: mean(({ offered }) => offered) },
          { name: 'acknowledged', values: mean(({ acknowledged }) => acknowledged) },
        ],
      },
      {
        title: 'Acknowledged, p99',
        unit: 'ms',
        scale: 'log',
        series: [{ name: 'from the scheduled moment', values: most(({ p99Ms }) => p99Ms ?? 0) }],
      },
      {
        title: 'Behind',
        unit: 'events',
        scale: 'linear',
        series: [
          { name: 'not read', values: most(({ unread }) => unread ?? 0) },
          { name: 'waiting for their turn', values: most(({ buffered }) => buffered ?? 0) },
        ],
      },
    ],
  });
}
