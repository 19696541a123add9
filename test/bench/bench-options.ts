/** The benchmark's command line. */
import { parseArgs } from 'node:util';
import { defaultOptions } from '../../src/options/resolve.js';
import type { EventForm } from './fill-stream.js';

export interface BenchOptions {
  readonly events: number;
  readonly keys: number;
  readonly rounds: number;
  /** Threads of the pipeline; as many as a node takes by itself unless it is said. */
  readonly threads: number;
  readonly form: EventForm;
  /** Every case, not only those that are always compared. */
  readonly matrix: boolean;
  /** What others would be used instead, too; some of it is fetched first. */
  readonly peers: boolean;
  /** How many events a peer gets: most are too slow for all of them, and rates are what is compared. */
  readonly peerEvents: number;
  /** Names of the cases to run, undefined for those that always run. */
  readonly cases: readonly string[] | undefined;
  /** Compare with the recorded baseline, or record it. */
  readonly baseline: 'compare' | 'record' | undefined;
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
      form: text,
      case: { ...text, multiple: true },
      matrix: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      'peer-events': text,
      record: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: text,
      profile: text,
    },
  });
  const { quick, record, matrix, peers, json, profile } = values;
  const baseline = record ? 'record' : quick ? 'compare' : undefined;
  return {
    events: count('events', values.events, quick ? 200_000 : 1_000_000),
    keys: count('keys', values.keys, 100_000),
    rounds: count('rounds', values.rounds, quick ? 1 : 3),
    threads: count('threads', values.threads, defaultOptions({}).threads),
    form: formOf(values.form ?? 'json'),
    matrix,
    peers,
    peerEvents: count('peer-events', values['peer-events'], 20_000),
    cases: values.case,
    baseline,
    json,
    profile,
  };
}

function count(name: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!/^[1-9]\d*$/.test(value)) throw new TypeError(`--${name} must be a whole number above 0, not ${value}`);
  return Number(value);
}

function formOf(value: string): EventForm {
  if (value === 'json' || value === 'numbered' || value === 'cloudevents') return value;
  throw new TypeError(`--form must be json, numbered or cloudevents, not ${value}`);
}
