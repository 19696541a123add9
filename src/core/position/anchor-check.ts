/**
 * Is the stream still the one that the checkpoint was made from? Asked before any event is applied.
 *
 * After a log loses its tail, sequences are used again for other events; a stream that was recreated starts over.
 * Resuming blindly would then skip or repeat events without an error. So the checkpoint keeps the log's timestamp
 * of the last routed event, and what is stored under that number now must have the same.
 *
 * Where nothing is stored under that number, the event itself was deleted, and nobody can say which one: the decided
 * event, or another one that took the number after a loss and was never read. The neighbours look alike in both cases.
 * So it is a gap of that one number, also below the floor; an operator who has deleted the event accepts it.
 */
import type { Anchor } from '../checkpoint/record.js';

export type AnchorVerdict =
  | { readonly kind: 'intact' }
  /** Sequences `first` to `last` can no longer be read. */
  | { readonly kind: 'gap'; readonly first: number; readonly last: number }
  /** The stream went back or was replaced; what is stored from `first` on is not what was read. */
  | { readonly kind: 'regression'; readonly first: number; readonly last: number; readonly detail: string };

/**
 * `floor` and `anchor` of the checkpoint, `first` and `last` of the stream, and the log's timestamp of what is
 * stored at the anchor's sequence (undefined: nothing is).
 */
export function checkAnchor(
  floor: number,
  anchor: Anchor,
  stream: { readonly first: number; readonly last: number },
  timeAtAnchor: string | undefined,
): AnchorVerdict {
  if (stream.last < anchor.sequence || stream.last < floor) {
    const reached = Math.max(anchor.sequence, floor);
    const detail = `the stream ends at ${stream.last}, the checkpoint has read up to ${reached}`;
    return { kind: 'regression', first: stream.last + 1, last: reached, detail };
  }
  if (stream.first > floor + 1) return { kind: 'gap', first: floor + 1, last: stream.first - 1 };
  if (anchor.sequence === 0 || anchor.sequence < stream.first) return { kind: 'intact' };
  if (timeAtAnchor === undefined) return { kind: 'gap', first: anchor.sequence, last: anchor.sequence };
  if (timeAtAnchor !== anchor.time) {
    const detail = `sequence ${anchor.sequence} was stored at ${anchor.time} and is now another event, stored at ${timeAtAnchor}`;
    return { kind: 'regression', first: anchor.sequence, last: stream.last, detail };
  }
  return { kind: 'intact' };
}
