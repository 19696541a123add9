/**
 * The recorded figures that a quick run is compared with. Only what means something on another machine is recorded:
 * rates as ratios to the counting loop of the same run, CPU time per event as ratios to its CPU time.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Measurement } from './meter.js';
import { median } from './result-table.js';

/** Of one case: events per second and CPU time per event, over those of the counting loop. */
export interface Figures {
  readonly rate: number;
  readonly cpu: number;
}

/** A figure that moved by less is noise of a shared machine. */
const MOVED = 0.15;

// The built file lies in dist/test/bench; what is recorded belongs beside the source.
const FILE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'test', 'bench', 'baseline.json');

/** Empty without the counting loop. */
export function figuresOf(measured: readonly Measurement[]): Record<string, Figures> {
  const roundsOf = (mode: string): Measurement[] => measured.filter((each) => each.mode === mode);
  const rate = (mode: string): number => median(roundsOf(mode).map(({ messages, seconds }) => messages / seconds));
  const cpu = (mode: string): number => median(roundsOf(mode).map((round) => round.cpu.process));
  const figures: Record<string, Figures> = {};
  if (roundsOf('counting').length === 0) return figures;
  for (const mode of new Set(measured.map((each) => each.mode)))
    figures[mode] = { rate: rounded(rate(mode) / rate('counting')), cpu: rounded(cpu(mode) / cpu('counting')) };
  return figures;
}

export async function recordBaseline(
  figures: Record<string, Figures>,
  { events, keys, threads, rounds }: { events: number; keys: number; threads: number; rounds: number },
): Promise<void> {
  const recorded = { node: process.version, events, keys, threads, rounds, figures };
  await writeFile(FILE, `${JSON.stringify(recorded, null, 2)}\n`);
}

/** One line per figure, with what moved said aloud. */
export async function comparison(figures: Record<string, Figures>): Promise<string> {
  const recorded = JSON.parse(await readFile(FILE, 'utf8')) as { figures: Record<string, Figures> };
  const lines = Object.entries(figures).flatMap(([mode, { rate, cpu }]) => {
    const before = recorded.figures[mode];
    if (before === undefined || mode === 'counting') return [];
    const slower = `${mode}: ${verdict(before.rate, rate, 'of the counting loop', 'faster', 'slower')}`;
    return [slower, `${mode}: ${verdict(before.cpu, cpu, 'of its CPU time per event', 'dearer', 'cheaper')}`];
  });
  return ['', 'against the recorded baseline', ...lines].join('\n');
}

function verdict(before: number, now: number, of: string, more: string, less: string): string {
  const change = now / before - 1;
  const word = Math.abs(change) < MOVED ? 'as before' : `${change > 0 ? more : less} by ${percent(change)}`;
  return `${now.toFixed(2)} ${of}, recorded ${before.toFixed(2)}: ${word}`;
}

const percent = (change: number): string => `${Math.round(Math.abs(change) * 100)} %`;

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
