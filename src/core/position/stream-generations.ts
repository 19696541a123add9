/**
 * The streams of an application over time: at first one or several, later a multiple of them. Each move adds a
 * generation; the streams of the one before have ended by then, so that positions count on (stream-chain.ts).
 */
import { streamNameOf } from '../key/stream-share.js';
import type { StreamChain } from './stream-chain.js';

export interface StreamGeneration {
  /** What the names of the streams begin with; with one stream, its name. */
  readonly name: string;
  readonly count: number;
  /** For each stream, the position of the event before its first. */
  readonly bases: readonly number[];
}

export function firstGeneration(name: string, count: number): StreamGeneration {
  return { name, count, bases: new Array<number>(count).fill(0) };
}

/** Names of a generation's streams, in the order of their partitions. */
export function streamNames({ name, count }: Pick<StreamGeneration, 'name' | 'count'>): string[] {
  return Array.from({ length: count }, (_, index) => streamNameOf(name, index, count));
}

/** The generation after `before`, whose streams have ended at these sequences. `count` is a multiple of that before. */
export function nextGeneration(
  before: StreamGeneration,
  lasts: readonly number[],
  { name, count }: Pick<StreamGeneration, 'name' | 'count'>,
): StreamGeneration {
  const factor = count / before.count;
  const bases = Array.from({ length: count }, (_, index) => {
    const from = Math.floor(index / factor);
    return before.bases[from]! + lasts[from]!;
  });
  return { name, count, bases };
}

/** For each stream of the newest generation, the streams that its partitions were in. */
export function chainsOf(generations: readonly StreamGeneration[]): StreamChain[] {
  const newest = generations.at(-1)!;
  return Array.from({ length: newest.count }, (_, index) =>
    generations.map(({ name, count, bases }) => {
      const at = Math.floor((index * count) / newest.count);
      return { stream: streamNameOf(name, at, count), base: bases[at]! };
    }),
  );
}
