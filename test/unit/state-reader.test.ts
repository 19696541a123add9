/** Reads of durable state: never before the event is decided in what is stored (I10). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { partitionOf } from '../../src/core/key/partition.js';
import type { Position } from '../../src/core/position/position-window.js';
import type { Clock } from '../../src/ports/clock.js';
import { StateReader } from '../../src/runtime/state-reader.js';
import { commitOf } from '../contract/checkpoint-store.contract.js';
import { firstRecord } from '../support/first-record.js';

const PARTITIONS = 8;
const partition = partitionOf('a', PARTITIONS);
const state = '{"state":{"n":1},"time":5,"id":"e","sequence":"9","applied":1}';
const receipt = (sequence: number) => ({ stream: 'EVENTS', sequence, partition });

/** Every wait is over at once. */
class QuickClock implements Clock {
  ms = 0;
  now = (): number => this.ms;
  elapsed = (): number => this.ms;
  after(ms: number, callback: () => void): () => void {
    this.ms += ms;
    queueMicrotask(callback);
    return () => undefined;
  }
}

const recordAt = (position: Position): string => firstRecord(partition, PARTITIONS, position);

let store: MemoryCheckpointStore;
let reader: StateReader;

beforeEach(async () => {
  store = new MemoryCheckpointStore();
  reader = new StateReader(store, new QuickClock(), PARTITIONS);
  await store.claim({ partition, owner: '1:n', seen: undefined, record: recordAt({ floor: 0, above: [] }) });
});

const commit = (number: number, position: Position) =>
  store.commit(
    commitOf('1:n', number, { partition, record: recordAt(position), state: { set: [['a', state]], remove: [] } }),
  );

describe('StateReader', () => {
  it('I10: does not answer while the event is undecided in what is stored, above the floor or beside a range', async () => {
    await commit(1, { floor: 9, above: [12, 14] });
    for (const sequence of [10, 11, 15])
      await expect(reader.get('a', receipt(sequence), 200)).rejects.toMatchObject({ code: 'NOT_REFLECTED' });
    for (const sequence of [1, 9, 12, 14])
      expect(await reader.get('a', receipt(sequence), 200)).toMatchObject({ state: { n: 1 }, sequence: 9, applied: 1 });
  });

  it('I10: answers when the commit that decides the event is stored, and not earlier', async () => {
    let isAnswered = false;
    const reading = reader.get('a', receipt(3), 1e9).then((answer) => {
      isAnswered = true;
      return answer;
    });
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    expect(isAnswered).toBe(false);
    await commit(1, { floor: 3, above: [] });
    expect(await reading).toMatchObject({ state: { n: 1 }, position: { floor: 3, checkpoint: 1 } });
  });

  it('gives a wait up when its caller does', async () => {
    await commit(1, { floor: 9, above: [] });
    const leaving = new AbortController();
    const slow: Clock = { now: () => 0, elapsed: () => 0, after: () => () => undefined };
    const reading = new StateReader(store, slow, PARTITIONS).get('a', receipt(10), 1e9, leaving.signal);
    leaving.abort('gone');
    await expect(reading).rejects.toMatchObject({ code: 'NOT_REFLECTED' });
    await expect(reader.get('a', receipt(10), 1e9, leaving.signal)).rejects.toMatchObject({ code: 'NOT_REFLECTED' });
  });

  it.each([{ partitions: PARTITIONS * 2 }, { hash: 'murmur3' }])(
    'refuses what is stored under another layout, where the key may lie elsewhere: %j',
    async (over) => {
      const record = JSON.parse(recordAt({ floor: 9, above: [] })) as object;
      await store.commit(commitOf('1:n', 1, { partition, record: JSON.stringify({ ...record, ...over }) }));
      await expect(reader.get('a')).rejects.toMatchObject({ code: 'LAYOUT_MISMATCH' });
    },
  );

  it("refuses a record that is another partition's", async () => {
    const record = JSON.parse(recordAt({ floor: 9, above: [] })) as object;
    await store.commit(commitOf('1:n', 1, { partition, record: JSON.stringify({ ...record, partition: 99 }) }));
    await expect(reader.get('a')).rejects.toMatchObject({ code: 'CORRUPT_CHECKPOINT' });
  });

  it('refuses the receipt of another partition or stream', async () => {
    await commit(1, { floor: 9, above: [] });
    const other = { ...receipt(3), partition: (partition + 1) % PARTITIONS };
    await expect(reader.get('a', other)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    await expect(reader.get('a', { ...receipt(3), stream: 'OLD' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });
});
