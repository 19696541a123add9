/** A claim that is tried again while the store is away, and given up meanwhile: it must not come through any more. */
import { expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { MillraceError } from '../../src/errors.js';
import { claimPartition } from '../../src/host/claim.js';
import { Host } from '../../src/host/host.js';
import type { StoredRecord } from '../../src/ports/checkpoint-store.js';
import type { HostToMain } from '../../src/protocol/messages.js';
import { commitOf } from '../contract/checkpoint-store.contract.js';
import { baseOptions, logHandler } from '../property/actor-stream.js';
import { HandClock } from '../support/hand-clock.js';
import { formatOf } from './raw-events.js';

class AwayStore extends MemoryCheckpointStore {
  isAway = true;
  reads = 0;

  override async read(partition: number): Promise<StoredRecord | undefined> {
    this.reads++;
    if (this.isAway) throw new MillraceError('REDIS_UNAVAILABLE', 'away');
    return super.read(partition);
  }
}

const claim = { partition: 0, origin: 1, first: 1, acceptGap: false } as const;
const chain = [{ stream: 'EVENTS', base: 0 }];

function makeHost() {
  const [clock, store, said] = [new HandClock(), new AwayStore(), [] as HostToMain[]];
  const host = new Host(
    {
      ...{ slot: 0, chains: [chain], actor: baseOptions, checkpointMs: 50, checkpointBytes: 1e6 },
      decoder: {
        format: formatOf(),
        limits: { payloadBytesMax: 1_000, headerBytesMax: 200 },
        ...{ idRequired: true, partitions: 1, checkPartition: false },
      },
    },
    {
      ...{ store, handler: logHandler as Handler, clock, log: () => undefined },
      post: (message) => said.push(message),
      defer: (callback) => void setImmediate(callback),
      nonce: () => 'aa',
      heapBytes: () => 0,
    },
  );
  return { host, clock, store, said: () => said.filter(({ kind }) => kind !== 'report').map(({ kind }) => kind) };
}

it('is not tried any more once the partition is another node’s, and fences nobody', async () => {
  const { host, clock, store, said } = makeHost();
  host.receive({ kind: 'claim', ...claim, epoch: 1 });
  await clock.pass(5_000);
  expect(store.reads).toBeGreaterThan(1);
  const fault = { code: 'FENCED', message: 'node b has claimed it', problems: [] } as const;
  host.receive({ kind: 'halt', partition: 0, fault });
  store.isAway = false;
  const { owner } = await claimPartition(store, {
    ...{ ...claim, epoch: 2, nonce: 'bb', chain, layout: baseOptions.layout, now: 0 },
  });
  const { reads } = store;
  await clock.pass(60_000);
  expect(store.reads).toBe(reads);
  expect(said()).toEqual([]);
  expect(await store.commit(commitOf(owner, 1, { partition: 0 }))).toBe('accept');
});

it('comes through as soon as the store is back, if nobody has given it up', async () => {
  const { host, clock, store, said } = makeHost();
  host.receive({ kind: 'claim', ...claim, epoch: 1 });
  await clock.pass(5_000);
  store.isAway = false;
  await clock.pass(5_000);
  expect(said()).toEqual(['claimed']);
});
