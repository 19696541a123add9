/** Reads a range of the stream once, for commands: no partitions, no threads, every event in order. */
import { MillraceError } from '../errors.js';
import type { EventLog, ReadSink } from '../ports/event-log.js';

export interface Range {
  readonly stream: string;
  readonly first: number;
  readonly last: number;
  readonly signal: AbortSignal;
}

export type TakeEvent = (
  sequence: number,
  timeMs: number,
  subject: Uint8Array,
  headers: Uint8Array | undefined,
  body: Uint8Array,
  timeNanos: number,
) => void;

/** Settles when `last` was taken. Throws GAP if any of the range is gone, what the reading fails with, and the abort. */
export async function readRange(log: EventLog, range: Range, take: TakeEvent): Promise<void> {
  const { stream, first, last, signal } = range;
  if (last < first) return;
  signal.throwIfAborted();
  let next = first;
  let settle: (error?: unknown) => void = () => undefined;
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error as Error));
  });
  done.catch(() => undefined);
  const abort = (): void => settle(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const sink: ReadSink = {
    event(sequence, timeMs, timeNanos, subject, headers, body) {
      if (next > last) return;
      if (sequence !== next) {
        settle(gone(stream, next, Math.min(sequence - 1, last)));
        next = last + 1;
        return;
      }
      next++;
      try {
        take(sequence, timeMs, subject, headers, body, timeNanos);
      } catch (error) {
        settle(error);
        next = last + 1;
        return;
      }
      if (next > last) settle();
    },
    caughtUp() {
      if (next <= last) settle(gone(stream, next, last));
    },
    failed: settle,
  };
  try {
    const reading = await log.read(stream, first, sink);
    await done.finally(() => reading.stop());
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function gone(stream: string, first: number, last: number): MillraceError {
  return new MillraceError('GAP', `stream ${stream}: sequences ${first} to ${last} are gone`);
}
