/** One incarnation on a host: what it saves, and when it may write no more (H1 to H4; F12, F25). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Handler } from '../../src/core/actor/handler.js';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import { decodeRecord } from '../../src/core/checkpoint/record.js';
import { MillraceError } from '../../src/errors.js';
import { type Claimed, claimPartition } from '../../src/host/claim.js';
import { type HostedDependencies, HostedPartition } from '../../src/host/hosted-partition.js';
import type { HostToMain } from '../../src/protocol/messages.js';
import { baseOptions, logHandler, streamEvent, T0 } from '../property/actor-stream.js';

const options = { ...baseOptions, order: 'none' as const };
const stream = Array.from({ length: 4 }, (_, i) => streamEvent(i + 1, T0 + i, { key: 'a', deed: 'emit' }));

/** A store whose answers to commits may be lost, after or before they took effect. */
class ShakyStore extends MemoryCheckpointStore {
  readonly numbers: number[] = [];
  lose: 'nothing' | 'reply' | 'request' = 'nothing';

  override async commit(commit: Commit): Promise<CommitVerdict> {
    this.numbers.push(commit.number);
    const { lose } = this;
    this.lose = 'nothing';
    const verdict = lose === 'request' ? undefined : await super.commit(commit);
    if (lose === 'nothing' && verdict !== undefined) return verdict;
    throw new MillraceError('REDIS_UNAVAILABLE', 'no answer');
  }
}

let store: ShakyStore;
let said: HostToMain[];
let epoch = 0;

beforeEach(() => {
  store = new ShakyStore();
  said = [];
});

function claim(): Promise<Claimed> {
  return claimPartition(store, {
    partition: 0,
    epoch: ++epoch,
    nonce: 'aa',
    origin: 1,
    first: 1,
    acceptGap: false,
    chain: [{ stream: 'EVENTS', base: 0 }],
    layout: options.layout,
    now: 0,
  });
}

function dependencies(over: Partial<ActorOptions> = {}): HostedDependencies {
  return {
    store,
    handler: logHandler as Handler,
    clock: systemClock,
    options: { ...options, ...over },
    post: (message) => said.push(message),
    decodeParked: () => stream[0]!,
    log: () => undefined,
    committed: () => undefined,
    eased: () => undefined,
  };
}

async function open(over: Partial<ActorOptions> = {}, gap: readonly number[] = []): Promise<HostedPartition> {
  const claimed = await claim();
  const partition = new HostedPartition(dependencies(over), claimed);
  const position = gap.length > 0 ? { floor: gap[1]!, above: [] } : claimed.record.position;
  partition.run(position, claimed.record.anchor, gap);
  return partition;
}

function offer(partition: HostedPartition, from: number, to: number): void {
  for (const { raw, decoded } of stream.slice(from - 1, to)) partition.actor?.offer(raw, decoded);
}

async function storedFloor(): Promise<number | undefined> {
  const decoded = decodeRecord((await store.read(0))!.record);
  return decoded.kind === 'record' ? decoded.record.position.floor : undefined;
}

const storedLog = async (): Promise<unknown> => JSON.parse((await store.loadStates(0, ['a']))[0] ?? '{}').state;
const kinds = (): string[] => said.map((message) => (message.kind === 'stopped' ? message.fault.code : message.kind));

describe('HostedPartition', () => {
  it('F25: a drain stores everything that was decided, so that nothing is replayed', async () => {
    const partition = await open();
    offer(partition, 1, 3);
    await partition.drain();
    expect(await storedFloor()).toBe(3);
    expect(await storedLog()).toEqual([1, 2, 3]);
  });

  it('F25: also what was decided while a commit was under way', async () => {
    const partition = await open();
    offer(partition, 1, 2);
    partition.save();
    offer(partition, 3, 4);
    await partition.drain();
    expect(await storedFloor()).toBe(4);
    expect(await storedLog()).toEqual([1, 2, 3, 4]);
  });

  it('F25: says how many events are stored, also where it was claimed and did not run yet', async () => {
    const partition = await open();
    offer(partition, 1, 3);
    expect(await partition.drain()).toBe(3);
    const next = new HostedPartition(dependencies(), await claim());
    expect(await next.drain()).toBe(3);
    next.run({ floor: 3, above: [] }, { sequence: 0, time: '' }, []);
    expect(next.actor).toBeUndefined();
  });

  it.each(['reply', 'request'] as const)(
    'H2, F12: a commit whose %s was lost is sent again unchanged',
    async (lost) => {
      const partition = await open();
      offer(partition, 1, 2);
      store.lose = lost;
      expect(await partition.flush()).toBe(true);
      offer(partition, 3, 3);
      expect(await partition.flush()).toBe(true);
      expect(store.numbers).toEqual([1, 1, 2]);
      expect(await storedLog()).toEqual([1, 2, 3]);
      expect(kinds()).toEqual(['outputs', 'outputs']);
    },
  );

  it('H3: a refused commit is the end: nothing more is written, nothing published, and it says so', async () => {
    const old = await open();
    offer(old, 1, 2);
    const taken = await open();
    expect(await old.flush()).toBe(false);
    expect(old.actor).toBeUndefined();
    await old.drain();
    expect(kinds()).toEqual(['FENCED']);
    expect(await storedFloor()).toBe(0);
    offer(taken, 1, 2);
    expect(await taken.flush()).toBe(true);
    expect(await storedLog()).toEqual([1, 2]);
  });

  it('H3: one that is full and was fenced meanwhile is fenced: there is nothing that an operator could mend', async () => {
    const old = await open({ deadLettersMax: 0 });
    await open();
    const refused = streamEvent(1, T0, { key: 'a', deed: 'throw' });
    old.actor?.offer(refused.raw, refused.decoded);
    offer(old, 2, 2);
    old.checkHalt();
    await old.flush();
    await new Promise(setImmediate);
    expect(kinds()).toEqual(['FENCED']);
  });

  it('H4: a store that went back is noticed without a commit, and one that did not is not', async () => {
    const partition = await open();
    offer(partition, 1, 2);
    expect(await partition.flush()).toBe(true);
    const earlier = store.snapshot();
    offer(partition, 3, 3);
    expect(await partition.flush()).toBe(true);
    said = [];
    const turn = (): Promise<void> => new Promise(setImmediate);
    partition.compare(0);
    await turn();
    expect(kinds()).toEqual([]);
    store.rollback(earlier);
    partition.compare(0);
    await turn();
    expect(kinds()).toEqual(['FENCED']);
    expect(partition.actor).toBeUndefined();
  });

  it('H4: asks a store that is away once, not again and again', async () => {
    const partition = await open();
    const asked: (() => void)[] = [];
    const read = store.read.bind(store);
    store.read = async (number) => {
      await new Promise<void>((answer) => asked.push(answer));
      return read(number);
    };
    const turn = (): Promise<void> => new Promise(setImmediate);
    for (let n = 0; n < 3; n++) {
      partition.compare(0);
      await turn();
    }
    expect(asked).toHaveLength(1);
    asked[0]!();
    await turn();
    partition.compare(0);
    expect(asked).toHaveLength(2);
    expect(kinds()).toEqual([]);
  });

  it('what an operator has accepted as lost is stored, also where nothing else happens', async () => {
    const partition = await open({}, [1, 5]);
    expect(partition.isDue(0, 1e6)).toBe(true);
    expect(await partition.flush()).toBe(true);
    expect(await storedFloor()).toBe(5);
  });

  it('outputs are published after their commit, and again by the next incarnation', async () => {
    const partition = await open();
    offer(partition, 1, 1);
    partition.save();
    expect(kinds()).toEqual([]);
    expect(await partition.flush()).toBe(true);
    expect(kinds()).toEqual(['outputs']);
    await open();
    expect(kinds()).toEqual(['outputs', 'outputs']);
  });
});
