/** The partitions in contiguous ranges, as even as it goes: sizes differ by one at most. */

/** Partitions `from` to `to − 1`; empty where they are equal. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The `index`th of `count` ranges; the same for everybody who knows the two numbers. */
export function rangeOf(index: number, count: number, partitions: number): Range {
  const edge = (at: number): number => Math.floor((at * partitions) / count);
  return { from: edge(index), to: edge(index + 1) };
}

/** The partitions of a range, ascending. */
export function partitionsOf({ from, to }: Range): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
