/**
 * The streams that a partition's events are in, one after the other, as one numbered log.
 *
 * An application may move from one stream to several. The earlier stream is then closed for good, so that it has a last
 * sequence, and each partition goes on in its next stream. Positions count on over that border: the event with sequence
 * n of a stream has position `base + n`, where `base` is how many positions the streams before it take. So everything
 * that is ordered or named by sequence (floor, ties, dedupe, dead letters, outputs) never meets the same number twice.
 *
 * Invariants
 * C1. Bases ascend, the first is 0: every position belongs to exactly one stream.
 * C2. A chain only ever grows at its end: one that was stored is the beginning of every later one.
 */

/** One stream of a chain. */
export interface ChainLink {
  readonly stream: string;
  /** Position of the event before its first. */
  readonly base: number;
}

/** Oldest first; at least one. */
export type StreamChain = readonly ChainLink[];

/** A place in a stream as the log itself names it. */
export interface StreamPlace {
  readonly stream: string;
  readonly sequence: number;
}

/** The chain of a partition that never moved. */
export function singleStream(stream: string): StreamChain {
  return [{ stream, base: 0 }];
}

/** The stream that events come into now. */
export function newestOf(chain: StreamChain): ChainLink {
  return chain[chain.length - 1]!;
}

/** Index of the link that `position` belongs to. */
export function linkAt(chain: StreamChain, position: number): number {
  let at = chain.length - 1;
  while (at > 0 && position <= chain[at]!.base) at--;
  return at;
}

/** Where the event with this position is. */
export function placeOf(chain: StreamChain, position: number): StreamPlace {
  const { stream, base } = chain[linkAt(chain, position)]!;
  return { stream, sequence: position - base };
}

/** Position of an event, undefined if its stream is none of the chain's. */
export function positionAt(chain: StreamChain, { stream, sequence }: StreamPlace): number | undefined {
  const link = chain.find((one) => one.stream === stream);
  return link === undefined ? undefined : link.base + sequence;
}

/** Whether `earlier` is the beginning of `chain` (C2). */
export function continues(chain: StreamChain, earlier: StreamChain): boolean {
  return (
    earlier.length <= chain.length &&
    earlier.every(({ stream, base }, i) => chain[i]!.stream === stream && chain[i]!.base === base)
  );
}
