/** The benchmark's command line. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly events: number;
  readonly keys: number;
  readonly rounds: number;
  /** Threads of the pipeline. */
  readonly threads: number;
  /** File for everything that was measured. */
  readonly json: string | undefined;
  /** Directory for CPU profiles of every process and thread; they cost time of their own. */
  readonly profile: string | undefined;
}

/** Throws TypeError for what is not an option or not a number. */
export function readBenchOptions(): BenchOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      events: text,
      keys: text,
      rounds: text,
      threads: text,
      quick: { type: 'boolean', default: false },
      json: text,
      profile: text,
    },
  });
  const { quick, json, profile } = values;
  return {
    events: count('events', values.events, quick ? 200_000 : 1_000_000),
    keys: count('keys', values.keys, 100_000),
    rounds: count('rounds', values.rounds, quick ? 1 : 3),
    threads: count('threads', values.threads, 1),
    json,
    profile,
  };
}

function count(name: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!/^[1-9]\d*$/.test(value)) throw new TypeError(`--${name} must be a whole number above 0, not ${value}`);
  return Number(value);
}
