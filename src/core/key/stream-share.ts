/**
 * Which stream of an application holds which partitions: contiguous ranges, as even as it goes. The count of streams may
 * be multiplied later: stream `s` of `n` is then divided into streams `s·f` to `s·f + f − 1` of `n·f`.
 */

/** Index of the stream that holds `partition`, 0 to `streams − 1`. */
export function streamIndexOf(partition: number, partitions: number, streams: number): number {
  return Math.floor((partition * streams) / partitions);
}

/** First and last partition of a stream. There are no more streams than partitions, so none is empty. */
export function partitionsOf(
  index: number,
  partitions: number,
  streams: number,
): readonly [first: number, last: number] {
  const start = (at: number): number => Math.ceil((at * partitions) / streams);
  return [start(index), start(index + 1) - 1];
}

/** Name of a stream: the application's own where there is one, else with its place, as in `EVENTS-2-of-4`. */
export function streamNameOf(name: string, index: number, streams: number): string {
  return streams === 1 ? name : `${name}-${index + 1}-of-${streams}`;
}
