/** What the pipeline is meant to reach, as ratios of two cases of one run. */
import type { Measurement } from './meter.js';
import { median } from './result-table.js';

interface Target {
  readonly of: string;
  readonly over: string;
  readonly least: number;
}

const targets: readonly Target[] = [
  { of: 'time, dedupe', over: 'counting', least: 1 },
  { of: 'time, dedupe', over: 'bytes', least: 0.4 },
  { of: 'time, dedupe', over: 'by hand', least: 6 },
  { of: 'time, dedupe', over: 'by hand, one by one', least: 6 },
  { of: 'time, dedupe', over: 'BullMQ', least: 20 },
  { of: 'time, dedupe', over: 'BullMQ, one by one', least: 20 },
  { of: 'time, dedupe', over: 'Restate', least: 100 },
  // No drain takes a minute: the only checkpoint is the last.
  { of: 'time, dedupe', over: 'time, dedupe, 60s', least: 0.9 },
  { of: 'time, dedupe', over: 'none, dedupe', least: 0.85 },
  { of: 'handler of 50 µs, 2 threads', over: 'handler of 50 µs, 1 thread', least: 1.7 },
];

/** One line per target whose two cases ran. */
export function targetLines(measured: readonly Measurement[]): string[] {
  const rate = (name: string): number =>
    median(measured.filter(({ mode }) => mode === name).map(({ messages, seconds }) => messages / seconds));
  const ran = new Set(measured.map(({ mode }) => mode));
  const lines = targets
    .filter(({ of, over }) => ran.has(of) && ran.has(over))
    .map(({ of, over, least }) => {
      const ratio = rate(of) / rate(over);
      return `${of} ÷ ${over}: ${ratio.toFixed(2)}, target ${least}: ${ratio >= least ? 'reached' : 'missed'}`;
    });
  return lines.length === 0 ? [] : ['', ...lines];
}
