/** Questions that wait for a decision, and for the commit that holds it (W1, W2). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { Handler } from '../../src/core/actor/handler.js';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import { claimPartition } from '../../src/host/claim.js';
import { EventWaits } from '../../src/host/event-waits.js';
import { HostedPartition } from '../../src/host/hosted-partition.js';
import type { Answer } from '../../src/protocol/messages.js';
import { baseOptions, logHandler, streamEvent, T0 } from '../property/actor-stream.js';

const options = { ...baseOptions, order: 'none' as const };
const events = Array.from({ length: 3 }, (_, i) => streamEvent(i + 1, T0 + i, { key: 'a' }));
const idOf = (at: number): string => {
  const { decoded } = events[at]!;
  if (decoded.kind !== 'event') throw new Error('no event');
  return decoded.event.id;
};

/** Commits are stored when the test says so. */
class SlowStore extends MemoryCheckpointStore {
  readonly held: (() => void)[] = [];

  override async commit(commit: Commit): Promise<CommitVerdict> {
    await new Promise<void>((resolve) => this.held.push(resolve));
    return super.commit(commit);
  }
}

let now: number;
let timers: Set<() => void>;
let waits: EventWaits;
let store: SlowStore;
let partition: HostedPartition;

beforeEach(async () => {
  now = 1_000;
  timers = new Set();
  waits = new EventWaits({
    elapsed: () => now,
    after: (_, callback) => {
      timers.add(callback);
      return () => timers.delete(callback);
    },
  });
  store = new SlowStore();
  const request = { partition: 0, epoch: 1, nonce: 'aa', origin: 1, first: 1, acceptGap: false };
  const claimed = await claimPartition(store, {
    ...request,
    ...{ chain: [{ stream: 'EVENTS', base: 0 }], layout: options.layout, now: 0 },
  });
  partition = new HostedPartition(
    {
      ...{ store, handler: logHandler as Handler, clock: systemClock, options, post: () => undefined },
      ...{ decodeParked: () => events[0]!, log: () => undefined, committed: () => undefined, eased: () => undefined },
    },
    claimed,
  );
  partition.run(claimed.record.position, claimed.record.anchor, []);
});

const offer = (at: number): void => {
  const { raw, decoded } = events[at]!;
  partition.actor!.offer(raw, decoded);
  waits.look();
};

/** Lets the oldest commit be stored, and everything that follows from it happen. */
async function stored(): Promise<void> {
  store.held.shift()!();
  const saving = partition.flush();
  while (partition.isSaving && store.held.length === 0) await new Promise(setImmediate);
  waits.look();
  void saving;
}

function ask(at: number, until: 'decided' | 'durable', waitMs = 5_000): { answer: Answer | undefined; error: unknown } {
  const asked: { answer: Answer | undefined; error: unknown } = { answer: undefined, error: undefined };
  waits.wait(partition, partition.actor!, { kind: 'await', id: idOf(at), until, waitMs }).then(
    (answer) => {
      asked.answer = answer;
    },
    (error: unknown) => {
      asked.error = error;
    },
  );
  return asked;
}

const waitedOf = (answer: Answer | undefined): unknown =>
  answer?.kind === 'explanation' ? answer.waited : (answer ?? 'none yet');

describe('a question about an event', () => {
  it('is answered when the event is decided, and not by another one', async () => {
    const asked = ask(1, 'decided');
    offer(0);
    await new Promise(setImmediate);
    expect(waitedOf(asked.answer)).toBe('none yet');
    offer(1);
    now += 7;
    await new Promise(setImmediate);
    expect(asked.answer).toMatchObject({ explanation: { seen: [{ streamSequence: 2 }] } });
    expect(waitedOf(asked.answer)).toEqual({ decidedMsAgo: 0, durableMsAgo: null });
    expect(timers.size).toBe(0);
  });

  it('W2: is durable with a commit that was prepared after the decision, not with the one under way', async () => {
    offer(0);
    partition.save();
    const asked = ask(1, 'durable');
    offer(1);
    now += 40;
    await stored();
    await new Promise(setImmediate);
    expect(waitedOf(asked.answer)).toBe('none yet');
    now += 60;
    await stored();
    await new Promise(setImmediate);
    expect(waitedOf(asked.answer)).toEqual({ decidedMsAgo: 100, durableMsAgo: 0 });
  });

  it('W1: ends at its deadline with what is known, and with its partition', async () => {
    const late = ask(2, 'durable', 50);
    offer(2);
    now += 50;
    for (const end of timers) end();
    await new Promise(setImmediate);
    expect(waitedOf(late.answer)).toEqual({ decidedMsAgo: 50, durableMsAgo: null });

    const orphan = ask(1, 'decided');
    partition.save();
    store.held.shift()!();
    await partition.drain();
    waits.look();
    await new Promise(setImmediate);
    expect(orphan.error).toMatchObject({ code: 'NODE_UNREACHABLE' });
    expect(timers.size).toBe(0);
  });

  it('is refused where a thousand wait already', () => {
    for (let n = 0; n < 1_000; n++) ask(0, 'decided');
    expect(() => ask(0, 'decided')).toThrowError('wait in this thread already');
  });
});
