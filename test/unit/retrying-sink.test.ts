/** What is tried again, how often, and until when. Time stands still but for the pauses between attempts. */
import { describe, expect, it } from 'vitest';
import { RetryingSink } from '../../src/client/retrying-sink.js';
import { type ErrorCode, MillraceError } from '../../src/errors.js';
import type { Clock } from '../../src/ports/clock.js';
import type { NewEvent } from '../../src/ports/event-log.js';

const event: NewEvent = { subject: 'events.k', id: 'id-1', body: new Uint8Array(0) };
const stored = { stream: 'S', sequence: 1, duplicate: false };

/** A sink that answers with these codes in turn, then stores; the clock goes on by each pause that is asked for. */
function retrying(...codes: readonly ErrorCode[]) {
  let elapsed = 0;
  const clock: Clock = {
    now: () => elapsed,
    elapsed: () => elapsed,
    after(ms, callback) {
      elapsed += ms;
      callback();
      return () => {};
    },
  };
  const asked: NewEvent[] = [];
  const append = async (one: NewEvent) => {
    asked.push(one);
    const code = codes[asked.length - 1];
    if (code !== undefined) throw new MillraceError(code, `attempt ${asked.length}`);
    return stored;
  };
  const sink = new RetryingSink({ append }, clock, { deadlineMs: 10_000, missingMs: 1_000 });
  return { sink, asked, elapsed: () => elapsed };
}

const forever = (code: ErrorCode): ErrorCode[] => new Array(1_000).fill(code);

describe('RetryingSink', () => {
  it('T1: tries again with the same event while the log is away', async () => {
    const { sink, asked } = retrying('NATS_UNREACHABLE', 'STREAM_MISSING', 'NATS_UNREACHABLE');
    expect(await sink.append(event)).toBe(stored);
    expect(asked).toEqual([event, event, event, event]);
  });

  it.each(['EVENT_TOO_LARGE', 'STREAM_UNSUITABLE', 'NATS_REFUSED', 'BUG'] as const)(
    'T1: %s is thrown',
    async (code) => {
      const { sink, asked } = retrying(code);
      await expect(sink.append(event)).rejects.toMatchObject({ code, message: 'attempt 1' });
      expect(asked).toHaveLength(1);
    },
  );

  it('T2: gives up at the deadline, and says how often it tried', async () => {
    const { sink, asked, elapsed } = retrying(...forever('NATS_UNREACHABLE'));
    const message = expect.stringMatching(/"id-1" was not acknowledged in \d+ attempts: attempt \d+/);
    await expect(sink.append(event)).rejects.toMatchObject({ code: 'NATS_UNREACHABLE', message });
    expect(elapsed()).toBeLessThanOrEqual(10_000);
    expect(elapsed()).toBeGreaterThan(7_000);
    expect(asked.length).toBeLessThan(20);
  });

  it('T1: waits for a missing stream for a short time only', async () => {
    const { sink, elapsed } = retrying(...forever('STREAM_MISSING'));
    await expect(sink.append(event)).rejects.toMatchObject({ code: 'STREAM_MISSING' });
    expect(elapsed()).toBeLessThanOrEqual(1_000);
  });
});
