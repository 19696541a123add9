/** What a series of figures over the time says: whether lag grows, when it is made up for, how memory goes. Pure. */
import type { LoadResult, LoadSecond } from '../../src/cli/load/load-result.js';

/** Below this share of what was offered the target, or the publishers, did not keep up. */
const KEPT_SHARE = 0.95;
/** Lag of less than so much of the load is the look of a moment: the node asks the stream once a second. */
const LAG_SECONDS = 2;

/** Why a load of a constant rate was not taken in as it came; undefined if it was. */
export function whyBehind({ ratePerSecond, durationMs, series, audit }: LoadResult): string | undefined {
  const scheduled = series.filter(({ second }) => (second + 1) * 1_000 <= durationMs);
  const acknowledged = scheduled.reduce((sum, second) => sum + second.acknowledged, 0);
  const offered = scheduled.reduce((sum, second) => sum + second.offered, 0);
  if (acknowledged < KEPT_SHARE * offered)
    return `${Math.floor((acknowledged / offered) * 100)} % were acknowledged while it lasted`;
  const unread = scheduled.at(-1)?.unread ?? 0;
  if (unread > LAG_SECONDS * ratePerSecond) return `${unread} events were not read at its end`;
  const finding = audit.find(({ level }) => level === 'finding');
  return finding === undefined ? undefined : `${finding.check}: ${finding.found}`;
}

/** Seconds from the greatest lag until it was down to a second's events again; undefined if it was not. */
export function recoverySeconds(series: readonly LoadSecond[], ratePerSecond: number): number | undefined {
  const lag = series.map(({ unread }) => unread ?? 0);
  const worst = lag.indexOf(Math.max(...lag));
  const back = lag.findIndex((unread, at) => at >= worst && unread <= ratePerSecond);
  return back === -1 ? undefined : series[back]!.second - series[worst]!.second;
}

export interface Reading {
  readonly seconds: number;
  readonly value: number;
}

/** Least squares: by how much the value grows in an hour. What comes first, until everything is warm, is left out. */
export function slopePerHour(readings: readonly Reading[], warmUpShare = 0.33): number {
  const warm = readings.slice(Math.floor(readings.length * warmUpShare));
  const mean = (of: (reading: Reading) => number): number => warm.reduce((sum, one) => sum + of(one), 0) / warm.length;
  const [seconds, value] = [mean((one) => one.seconds), mean((one) => one.value)];
  const spread = warm.reduce((sum, one) => sum + (one.seconds - seconds) ** 2, 0);
  if (spread === 0) return 0;
  return (warm.reduce((sum, one) => sum + (one.seconds - seconds) * (one.value - value), 0) / spread) * 3_600;
}
