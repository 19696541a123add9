/**
 * When the events of one partition come due, as the documentation has it: an event is held until the watermark, the
 * newest event time seen minus the settle window, passes its time; when the stream goes on for the idle time without
 * an event, everything held is due; an event behind the watermark is due at once.
 */

/** An event where it stands in the stream. */
export interface Arrived {
  /** Event time, epoch ms. */
  readonly time: number;
  readonly sequence: number;
  /** The stream's timestamp, epoch ms. */
  readonly streamMs: number;
}

/** The events of a partition, given in stream order, in the order in which they come due. */
export function dueOrder<E extends Arrived>(arrivals: readonly E[], settleMs: number, idleMs: number): E[] {
  const due: E[] = [];
  let held: E[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  let watermark = Number.NEGATIVE_INFINITY;
  let lastArrival = Number.NEGATIVE_INFINITY;
  const release = (upTo: number): void => {
    watermark = Math.max(watermark, upTo);
    const ready = held.filter(({ time }) => time <= watermark);
    if (ready.length === 0) return;
    held = held.filter(({ time }) => time > watermark);
    due.push(...ready.sort((a, b) => a.time - b.time || a.sequence - b.sequence));
  };
  for (const arrival of arrivals) {
    if (arrival.streamMs - lastArrival >= idleMs) release(newest);
    lastArrival = Math.max(lastArrival, arrival.streamMs);
    newest = Math.max(newest, arrival.time);
    if (arrival.time <= watermark) due.push(arrival);
    else held.push(arrival);
    release(newest - settleMs);
  }
  release(newest);
  return due;
}

/** Throws unless every event of a partition could wait for all earlier ones. */
export function checkQuiet(arrivals: readonly Arrived[], settleMs: number, idleMs: number): void {
  let released = Number.NEGATIVE_INFINITY;
  let newest = Number.NEGATIVE_INFINITY;
  let lastArrival = Number.NEGATIVE_INFINITY;
  for (const { time, sequence, streamMs } of arrivals) {
    // A node that follows the stream live measures quietness with a clock of its own, a little more coarsely.
    if (streamMs - lastArrival >= idleMs * 0.9) released = newest;
    const due = Math.max(released, newest - settleMs);
    if (time < due)
      throw new Error(`event ${sequence} is ${due - time} ms late in the stream itself: its publisher stalled`);
    lastArrival = streamMs;
    newest = Math.max(newest, time);
  }
}
