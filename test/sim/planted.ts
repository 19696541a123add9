/** Faults planted on purpose, to show that the simulator can fail: each breaks one rule in one place. */
import type { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { Handler } from '../../src/core/actor/handler.js';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import { decodeRecord, encodeRecord } from '../../src/core/checkpoint/record.js';
import type { CheckpointStore, StoredPartition } from '../../src/ports/checkpoint-store.js';

export interface Planted {
  readonly name: string;
  readonly store?: (store: MemoryCheckpointStore) => CheckpointStore;
  readonly handler?: (handler: Handler) => Handler;
}

/** A store that does something else where `over` says so. */
function wrapped(store: MemoryCheckpointStore, over: Partial<CheckpointStore>): CheckpointStore {
  return {
    read: (partition) => store.read(partition),
    claim: (claim) => store.claim(claim),
    load: (partition) => store.load(partition),
    loadStates: (partition, keys) => store.loadStates(partition, keys),
    commit: (commit) => store.commit(commit),
    readState: (partition, key) => store.readState(partition, key),
    deadLetters: (partition, after, limit) => store.deadLetters(partition, after, limit),
    close: () => store.close(),
    ...over,
  };
}

/** Every commit is changed on its way. */
function changing(change: (commit: Commit) => Commit): NonNullable<Planted['store']> {
  return (store) => wrapped(store, { commit: (commit) => store.commit(change(commit)) });
}

function withRecord(commit: Commit, change: (floor: number) => number): Commit {
  const decoded = decodeRecord(commit.record);
  if (decoded.kind !== 'record') return commit;
  const { position } = decoded.record;
  const floor = change(position.floor);
  const above = position.above.filter((_, i, all) => all[i & ~1]! > floor);
  return { ...commit, record: encodeRecord({ ...decoded.record, position: { floor, above } }) };
}

/** Takes whoever comes with a higher epoch or the same, and any number that is not lower: `>=` where equality must be. */
function lenientStore(store: MemoryCheckpointStore): CheckpointStore {
  return wrapped(store, {
    commit: async (commit) => {
      const stored = await store.read(commit.partition);
      const epochOf = (owner: string): number => Number(owner.split(':')[0]);
      if (stored === undefined || epochOf(commit.owner) < epochOf(stored.owner) || commit.number <= stored.number)
        return store.commit(commit);
      await store.commit({ ...commit, owner: stored.owner, number: stored.number + 1 });
      return 'accept';
    },
  });
}

/** The state of every key is loaded as it was some commits ago. */
function staleStates(store: MemoryCheckpointStore): CheckpointStore {
  const older = new Map<string, string | undefined>();
  return wrapped(store, {
    loadStates: async (partition, keys) => {
      const states = await store.loadStates(partition, keys);
      return states.map((state, i) => {
        const name = `${partition}/${keys[i]}`;
        const stale = older.get(name);
        older.set(name, state);
        return stale ?? state;
      });
    },
  });
}

async function loadedWithout(
  store: MemoryCheckpointStore,
  partition: number,
  part: 'segments' | 'outbox',
): Promise<StoredPartition | undefined> {
  const stored = await store.load(partition);
  return stored === undefined ? undefined : { ...stored, [part]: [] };
}

export const plantedFaults: readonly Planted[] = [
  { name: 'guard with >= instead of equality', store: lenientStore },
  { name: 'position one too far', store: changing((commit) => withRecord(commit, (floor) => floor + 1)) },
  { name: 'position one short', store: changing((commit) => withRecord(commit, (floor) => Math.max(0, floor - 1))) },
  { name: 'dedupe not stored', store: changing((commit) => ({ ...commit, dedupePut: [] })) },
  {
    name: 'dedupe not restored',
    store: (store) => wrapped(store, { load: (partition) => loadedWithout(store, partition, 'segments') }),
  },
  {
    name: 'outbox not restored',
    store: (store) => wrapped(store, { load: (partition) => loadedWithout(store, partition, 'outbox') }),
  },
  { name: 'dead letters not stored', store: changing((commit) => ({ ...commit, dead: { set: [], remove: [] } })) },
  { name: 'state not stored', store: changing((commit) => ({ ...commit, state: { set: [], remove: [] } })) },
  { name: 'stale state loaded', store: staleStates },
  {
    name: 'commit acknowledged, not stored',
    store: (store) => {
      let count = 0;
      return wrapped(store, {
        commit: async (commit) => (++count % 7 === 0 ? 'accept' : store.commit(commit)),
      });
    },
  },
  {
    name: 'a fenced commit is taken for a repeat',
    store: (store) =>
      wrapped(store, {
        commit: async (commit) => {
          const verdict = await store.commit(commit);
          return verdict === 'fenced' ? 'already' : verdict;
        },
      }),
  },
  {
    name: 'handler that forgets',
    handler: (handler) => {
      let count = 0;
      return {
        ...handler,
        apply: (state, event, context) => (++count % 50 === 0 ? state : handler.apply(state, event, context)),
      };
    },
  },
];
