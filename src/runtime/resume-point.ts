/**
 * The place from which a stream that went back holds new events: everything stored later than the log's clock showed
 * at the anchor. Sequences are used again after a loss, timestamps are not.
 */

/**
 * The last sequence stored up to `time` (nanoseconds as text), `stream.first − 1` if there is none. `timeOf` gives the
 * log's timestamp of a sequence, undefined where nothing is stored. Asks about log2 of the stream's length.
 */
export async function lastUpTo(
  time: string,
  stream: { readonly first: number; readonly last: number },
  timeOf: (sequence: number) => Promise<string | undefined>,
): Promise<number> {
  const limit = BigInt(time === '' ? '0' : time);
  let low = stream.first;
  let high = stream.last + 1;
  // Everything before `low` was stored up to the time; from `high` on everything is newer, or missing.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    let probe = middle;
    let stored = await timeOf(probe);
    while (stored === undefined && ++probe < high) stored = await timeOf(probe);
    if (stored === undefined || BigInt(stored) > limit) high = middle;
    else low = probe + 1;
  }
  return low - 1;
}
