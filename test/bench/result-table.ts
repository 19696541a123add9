/** What was measured, as people read it. */
import type { CpuPerEvent, Measurement } from './meter.js';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const heading = ['', 'events/s', 'of counting', 'CPU µs/event', 'main thread', 'nats', 'redis', 'peer', 'peak MiB'];

/** One line per mode: the median of its rounds. */
export function resultTable(measured: readonly Measurement[]): string {
  const modes = [...new Set(measured.map(({ mode }) => mode))];
  const rateOf = (mode: string): number => median(roundsOf(mode).map(({ messages, seconds }) => messages / seconds));
  const roundsOf = (mode: string): Measurement[] => measured.filter((each) => each.mode === mode);
  const rows = modes.map((mode) => {
    const rounds = roundsOf(mode);
    const cpu = (part: keyof CpuPerEvent): string => {
      const values = rounds.map((round) => round.cpu[part]).filter((value) => value !== undefined);
      return values.length === 0 ? '-' : median(values).toFixed(2);
    };
    return [
      mode,
      Math.round(rateOf(mode)).toLocaleString('en'),
      modes.includes('counting') ? (rateOf(mode) / rateOf('counting')).toFixed(2) : '-',
      cpu('process'),
      cpu('mainThread'),
      cpu('nats'),
      cpu('redis'),
      cpu('peer'),
      String(median(rounds.map(({ peakRssMiB }) => peakRssMiB))),
    ];
  });
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [line(heading), ...rows.map(line)].join('\n');
}
