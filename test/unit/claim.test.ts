/** Taking a partition over: what is lost or unreadable refuses the claim, never starts from empty (L1, L2; F10). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { ClaimRequest } from '../../src/host/claim.js';
import { claimPartition } from '../../src/host/claim.js';
import { commitOf } from '../contract/checkpoint-store.contract.js';

const request: ClaimRequest = {
  partition: 7,
  epoch: 1,
  nonce: 'aa',
  origin: undefined,
  first: 1,
  acceptGap: false,
  chain: [{ stream: 'EVENTS', base: 0 }],
  layout: { app: 'main', partitions: 8, hash: 'fnv1a32' },
  now: 5,
};

let store: MemoryCheckpointStore;
const claim = (over: Partial<ClaimRequest> = {}) => claimPartition(store, { ...request, ...over });

beforeEach(() => {
  store = new MemoryCheckpointStore();
});

describe('a partition without a record', () => {
  it('L1: starts before the first stored event, where there never was a record', async () => {
    const { kind, record } = await claim({ first: 41 });
    expect({ kind, floor: record.position.floor, gaps: record.gaps }).toEqual({ kind: 'first', floor: 40, gaps: [] });
  });

  it('L1: is rebuilt where the stream still has everything from its origin on', async () => {
    const { kind, record } = await claim({ origin: 41, first: 41 });
    expect({ kind, floor: record.position.floor }).toEqual({ kind: 'rebuilt', floor: 40 });
  });

  it('L1, F10: is LOST_CHECKPOINT where the stream no longer does, and nothing is written', async () => {
    await expect(claim({ origin: 1, first: 41 })).rejects.toMatchObject({ code: 'LOST_CHECKPOINT' });
    expect(await store.read(7)).toBeUndefined();
  });

  it('L1: goes on with a declared gap if an operator has accepted the loss', async () => {
    const { kind, record } = await claim({ origin: 1, first: 41, acceptGap: true });
    expect({ kind, floor: record.position.floor, gaps: record.gaps }).toEqual({
      kind: 'rebuilt',
      floor: 40,
      gaps: [1, 40],
    });
  });
});

describe('a partition with a record', () => {
  it('is taken over under a new owner: the old one writes nothing any more', async () => {
    const old = await claim();
    const taken = await claim({ epoch: 2, nonce: 'bb', origin: 1 });
    expect(taken.kind).toBe('found');
    expect(taken.owner).not.toBe(old.owner);
    expect(await store.commit(commitOf(old.owner, 1))).toBe('fenced');
    expect(await store.commit(commitOf(taken.owner, 1))).toBe('accept');
  });

  it.each([
    ['CORRUPT_CHECKPOINT', '{'],
    ['CHECKPOINT_FORMAT', '{"format":3}'],
  ] as const)('L2: is %s where it cannot be read, and stays as it is', async (code, text) => {
    const { owner } = await claim();
    await store.commit({ ...commitOf(owner, 1), record: text });
    await expect(claim({ epoch: 2, nonce: 'bb', origin: 1 })).rejects.toMatchObject({ code });
    expect(await store.read(7)).toEqual({ owner, number: 1, record: text });
  });

  it.each([
    { layout: { ...request.layout, app: 'other' } },
    { layout: { ...request.layout, partitions: 16 } },
    { layout: { ...request.layout, hash: 'crc32' } },
    { chain: [{ stream: 'OTHER', base: 0 }] },
  ])('L2: is LAYOUT_MISMATCH for another application, layout or stream: %j', async (over) => {
    await claim();
    await expect(claim({ ...over, epoch: 2, nonce: 'bb', origin: 1 })).rejects.toMatchObject({
      code: 'LAYOUT_MISMATCH',
    });
  });
});
