/** What is measured side by side, each in a process of its own over the same stream. */
import type { EventForm } from './fill-stream.js';

/** How the pipeline is set for one case. */
export interface Pipeline {
  readonly order: 'time' | 'none' | 'sequence';
  readonly dedupe: boolean;
  readonly checkpoint: string;
  /** Threads, where the case does not leave them to `--threads`. */
  readonly threads?: number;
  /** µs of CPU that the handler takes, where it is not the ledger. */
  readonly spin?: number;
}

export interface BenchCase {
  readonly name: string;
  /** What reads the stream: `bytes` a bare socket, `counting` the library's consumer. */
  readonly reader: 'bytes' | 'counting' | 'millrace' | 'by-hand' | 'bullmq' | 'restate';
  readonly pipeline?: Pipeline;
  /** Runs by itself only with `--matrix`. */
  readonly isExtra?: boolean;
  /** Reads only `--peer-events` of the stream, and runs by itself only with `--peers`. */
  readonly isPeer?: boolean;
  /** Events that a peer has under way at once. */
  readonly underWay?: number;
}

const pipeline = (order: Pipeline['order'], dedupe: boolean, checkpoint: string, threads?: number): Pipeline => ({
  order,
  dedupe,
  checkpoint,
  ...(threads === undefined ? {} : { threads }),
});

const peer = (name: string, reader: BenchCase['reader'], underWay: number): BenchCase => ({
  ...{ name, reader, underWay, isPeer: true },
});

/** A handler that takes 50 µs of CPU, which is what threads are for. */
const spinning = (name: string, threads: number): BenchCase => ({
  name,
  reader: 'millrace',
  pipeline: { ...pipeline('none', false, '1s', threads), spin: 50 },
  isExtra: true,
});

const cases: readonly BenchCase[] = [
  { name: 'bytes', reader: 'bytes' },
  { name: 'counting', reader: 'counting' },
  { name: 'time, dedupe', reader: 'millrace', pipeline: pipeline('time', true, '1s') },
  { name: 'none', reader: 'millrace', pipeline: pipeline('none', false, '1s') },
  { name: 'time', reader: 'millrace', pipeline: pipeline('time', false, '1s'), isExtra: true },
  { name: 'none, dedupe', reader: 'millrace', pipeline: pipeline('none', true, '1s'), isExtra: true },
  { name: 'time, dedupe, 100ms', reader: 'millrace', pipeline: pipeline('time', true, '100ms'), isExtra: true },
  { name: 'time, dedupe, 10s', reader: 'millrace', pipeline: pipeline('time', true, '10s'), isExtra: true },
  { name: 'time, dedupe, 60s', reader: 'millrace', pipeline: pipeline('time', true, '60s'), isExtra: true },
  { name: 'time, dedupe, 1 thread', reader: 'millrace', pipeline: pipeline('time', true, '1s', 1), isExtra: true },
  { name: 'none, 1 thread', reader: 'millrace', pipeline: pipeline('none', false, '1s', 1), isExtra: true },
  spinning('handler of 50 µs, 1 thread', 1),
  spinning('handler of 50 µs, 2 threads', 2),
  peer('by hand', 'by-hand', 200),
  peer('by hand, one by one', 'by-hand', 1),
  peer('BullMQ', 'bullmq', 100),
  peer('BullMQ, one by one', 'bullmq', 1),
  peer('Restate', 'restate', 200),
];

const numbered: BenchCase = {
  name: 'sequence',
  reader: 'millrace',
  pipeline: pipeline('sequence', true, '1s'),
  isExtra: true,
};

interface Wanted {
  readonly form: EventForm;
  readonly matrix: boolean;
  readonly peers: boolean;
  readonly cases: readonly string[] | undefined;
}

/** The cases for a stream of this form. Throws TypeError for a name that is none of them. */
export function benchCases({ form, matrix, peers, cases: names }: Wanted): BenchCase[] {
  const possible = form === 'numbered' ? [...cases, numbered] : cases;
  for (const name of names ?? [])
    if (!possible.some((one) => one.name === name))
      throw new TypeError(`there is no case ${JSON.stringify(name)}: ${possible.map((one) => one.name).join(' | ')}`);
  return possible.filter(
    ({ name, isExtra, isPeer }) => names?.includes(name) ?? (isPeer === true ? peers : matrix || isExtra !== true),
  );
}
