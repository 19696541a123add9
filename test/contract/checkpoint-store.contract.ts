/**
 * What every checkpoint store must do. `rollback` stands for a store that lost its tail, `loseRecord` for one whose
 * record was deleted; both are the test's own doing, never the store's.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { GuardedRecord } from '../../src/core/checkpoint/guard.js';
import type { CheckpointStore } from '../../src/ports/checkpoint-store.js';
import type { StateSource } from '../../src/ports/status-sink.js';

/** A store with nothing in it, and the hands that damage it. */
export interface StoreUnderTest {
  readonly store: CheckpointStore & StateSource;
  /** Remembers what is stored; the returned function falls back to it, as often as it is called. */
  snapshot(): Promise<() => Promise<void>>;
  loseRecord(partition: number): Promise<void>;
  close(): Promise<void>;
}

const A = '1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
const B = '2:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';
const UNCHANGED = { set: [], remove: [] };

/** A commit that changes nothing but the record, unless told otherwise. */
export function commitOf(owner: string, number: number, changes: Partial<Commit> = {}): Commit {
  return {
    partition: 7,
    owner,
    number,
    record: `record ${number} of ${owner}`,
    state: UNCHANGED,
    dedupePut: [],
    dedupeDrop: [],
    dead: UNCHANGED,
    parked: UNCHANGED,
    outbox: UNCHANGED,
    ...changes,
  };
}

export function checkpointStoreContract(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`CheckpointStore contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: CheckpointStore & StateSource;
    const claim = (owner: string, seen?: GuardedRecord, record = `first of ${owner}`) =>
      store.claim({ partition: 7, owner, seen, record });

    beforeEach(async () => {
      subject = await create();
      store = subject.store;
    });
    afterEach(() => subject.close());

    describe('nothing stored', () => {
      it('reads as nothing, everywhere', async () => {
        expect(await store.read(7)).toBeUndefined();
        expect(await store.load(7)).toBeUndefined();
        expect(await store.readState(7, 'key')).toBeUndefined();
        expect(await store.loadStates(7, ['a', 'b'])).toEqual([undefined, undefined]);
        expect(await store.loadStates(7, [])).toEqual([]);
        expect(await store.deadLetters(7, 0, 10)).toEqual([]);
      });

      it('refuses a commit and a claim of a record that is not there', async () => {
        expect(await store.commit(commitOf(A, 1))).toBe('fenced');
        expect(await claim(A, { owner: B, number: 0 })).toBe('fenced');
        expect(await store.read(7)).toBeUndefined();
      });
    });

    describe('claim', () => {
      it('stores a first record with number 0', async () => {
        expect(await claim(A)).toBe('accept');
        expect(await store.read(7)).toEqual({ owner: A, number: 0, record: `first of ${A}` });
        const nothing = { segments: [], parked: [], outbox: [], empty: true };
        expect(await store.load(7)).toEqual({ stored: await store.read(7), ...nothing });
        expect(await store.read(8)).toBeUndefined();
      });

      it('G3: answers already when sent again, and writes nothing', async () => {
        await claim(A);
        expect(await claim(A, undefined, 'other')).toBe('already');
        await store.commit(commitOf(A, 1));
        expect(await claim(A)).toBe('already');
        expect(await store.read(7)).toEqual({ owner: A, number: 1, record: `record 1 of ${A}` });
      });

      it('takes over what was seen: owner and record change, number and data stay', async () => {
        await claim(A);
        await store.commit(commitOf(A, 1, { state: { set: [['key', '1']], remove: [] } }));
        expect(await claim(B, { owner: A, number: 1 }, 'of B')).toBe('accept');
        expect(await store.readState(7, 'key')).toEqual({
          stored: { owner: B, number: 1, record: 'of B' },
          state: '1',
        });
        expect(await store.commit(commitOf(A, 2))).toBe('fenced');
        expect(await store.commit(commitOf(B, 2))).toBe('accept');
      });

      it('G1: refuses anything but equality of both, in every direction', async () => {
        await claim(A);
        await store.commit(commitOf(A, 1));
        for (const seen of [undefined, { owner: A, number: 0 }, { owner: A, number: 2 }, { owner: B, number: 1 }]) {
          expect(await claim('9:cccc', seen)).toBe('fenced');
        }
        expect((await store.read(7))?.owner).toBe(A);
      });

      it('lets exactly one of many concurrent claimers win', async () => {
        const owners = Array.from({ length: 20 }, (_, index) => `${index}:x`);
        const firsts = await Promise.all(owners.map((owner) => claim(owner)));
        expect(firsts.filter((verdict) => verdict === 'accept')).toHaveLength(1);
        const seen = await store.read(7);
        expect(seen?.owner).toBe(owners[firsts.indexOf('accept')]);

        const next = await Promise.all(owners.map((owner) => claim(`again-${owner}`, seen)));
        expect(next.filter((verdict) => verdict === 'accept')).toHaveLength(1);
        expect(next.filter((verdict) => verdict === 'fenced')).toHaveLength(19);
      });

      it('starts from nothing where a record was lost, and keeps the dead letters', async () => {
        await claim(A);
        const bytes = Uint8Array.of(1, 2, 3);
        await store.commit(
          commitOf(A, 1, {
            state: { set: [['key', 'old']], remove: [] },
            dedupePut: [{ number: 1, bytes }],
            dead: { set: [['5', 'letter']], remove: [] },
            outbox: { set: [['app.7.5.0', 'old']], remove: [] },
          }),
        );
        await subject.loseRecord(7);
        expect(await store.read(7)).toBeUndefined();
        expect(await store.load(7)).toBeUndefined();
        expect(await store.commit(commitOf(A, 2))).toBe('fenced');

        expect(await claim(B)).toBe('accept');
        expect(await store.load(7)).toMatchObject({ stored: { number: 0 }, segments: [], outbox: [], empty: true });
        expect(await store.loadStates(7, ['key'])).toEqual([undefined]);
        expect(await store.deadLetters(7, 0, 10)).toEqual(['letter']);
      });
    });

    describe('commit', () => {
      it('accepts the next number only, and that once', async () => {
        await claim(A);
        expect(await store.commit(commitOf(A, 2))).toBe('fenced');
        expect(await store.commit(commitOf(A, 1))).toBe('accept');
        expect(await store.commit(commitOf(A, 1))).toBe('already');
        expect(await store.commit(commitOf(A, 3))).toBe('fenced');
        expect(await store.commit(commitOf(A, 2))).toBe('accept');
        expect(await store.commit(commitOf(A, 1))).toBe('fenced');
        expect(await store.read(7)).toEqual({ owner: A, number: 2, record: `record 2 of ${A}` });
      });

      it('G3: a resend that differs from what was accepted changes nothing', async () => {
        await claim(A);
        await store.commit(commitOf(A, 1, { state: { set: [['key', '1']], remove: [] } }));
        const other = commitOf(A, 1, { record: 'other', state: { set: [['key', '2']], remove: [] } });
        expect(await store.commit(other)).toBe('already');
        expect(await store.readState(7, 'key')).toMatchObject({ stored: { record: `record 1 of ${A}` }, state: '1' });
      });

      it('writes nothing when fenced, of any kind', async () => {
        await claim(A);
        const changes: Partial<Commit> = {
          state: { set: [['key', 'stale']], remove: ['kept'] },
          dedupePut: [{ number: 2, bytes: Uint8Array.of(9) }],
          dedupeDrop: [1],
          dead: { set: [['9', 'stale']], remove: ['5'] },
          parked: { set: [['8', 'stale']], remove: ['6'] },
          outbox: { set: [['app.7.9.0', 'stale']], remove: ['app.7.5.0'] },
        };
        const kept = commitOf(A, 1, {
          state: { set: [['kept', '1']], remove: [] },
          dedupePut: [{ number: 1, bytes: Uint8Array.of(1) }],
          dead: { set: [['5', 'letter']], remove: [] },
          parked: { set: [['6', 'waits']], remove: [] },
          outbox: { set: [['app.7.5.0', 'output']], remove: [] },
        });
        await store.commit(kept);
        expect(await store.commit(commitOf(B, 2, changes))).toBe('fenced');
        expect(await store.commit(commitOf(A, 3, changes))).toBe('fenced');
        expect(await store.commit(commitOf(A, 1, changes))).toBe('already');
        expect(plain(await store.load(7))).toEqual({
          stored: { owner: A, number: 1, record: `record 1 of ${A}` },
          segments: [[1, [1]]],
          parked: [['6', 'waits']],
          outbox: [['app.7.5.0', 'output']],
          empty: false,
        });
        expect(await store.loadStates(7, ['key', 'kept'])).toEqual([undefined, '1']);
        expect(await store.deadLetters(7, 0, 10)).toEqual(['letter']);
      });

      it('removes fields; one that is both set and removed is gone', async () => {
        await claim(A);
        const two = { set: [['5', 'a'] as const, ['6', 'b'] as const], remove: [] };
        const segments = [1, 2, 3].map((number) => ({ number, bytes: Uint8Array.of(number) }));
        const out = { set: [['app.7.5.0', 'a'] as const, ['app.7.6.0', 'b'] as const], remove: [] };
        await store.commit(commitOf(A, 1, { state: two, dedupePut: segments, dead: two, outbox: out }));
        const both = { set: [['6', 'c'] as const, ['7', 'd'] as const], remove: ['5', '7', 'never'] };
        const drop = { set: [['app.7.7.0', 'd'] as const], remove: ['app.7.5.0', 'app.7.7.0'] };
        const put = [{ number: 4, bytes: Uint8Array.of(4) }];
        await store.commit(
          commitOf(A, 2, { state: both, dedupePut: put, dedupeDrop: [1, 4, 99], dead: both, outbox: drop }),
        );
        expect(await store.loadStates(7, ['5', '6', '7'])).toEqual([undefined, 'c', undefined]);
        expect(await store.deadLetters(7, 0, 10)).toEqual(['c']);
        expect(plain(await store.load(7))).toMatchObject({
          segments: [
            [2, [2]],
            [3, [3]],
          ],
          outbox: [['app.7.6.0', 'b']],
        });
        await store.commit(commitOf(A, 3, { state: { set: [], remove: ['6'] } }));
        expect((await store.load(7))?.empty).toBe(true);
      });

      it('keeps partitions apart', async () => {
        await claim(A);
        await store.claim({ partition: 77, owner: A, seen: undefined, record: 'of 77' });
        await store.commit(commitOf(A, 1, { partition: 77, state: { set: [['key', '77']], remove: [] } }));
        expect(await store.readState(7, 'key')).toMatchObject({ stored: { number: 0 }, state: undefined });
        expect(await store.readState(77, 'key')).toMatchObject({ stored: { number: 1 }, state: '77' });
      });

      it('takes 10,000 dirty keys at once', async () => {
        await claim(A);
        const set = Array.from({ length: 10_000 }, (_, index) => [`key-${index}`, `{"n":${index}}`] as const);
        const remove = Array.from({ length: 10_000 }, (_, index) => `gone-${index}`);
        const dead = { set: Array.from({ length: 3_001 }, (_, index) => [`${index + 1}`, 'x'] as const), remove: [] };
        expect(await store.commit(commitOf(A, 1, { state: { set, remove }, dead }))).toBe('accept');
        expect(await store.loadStates(7, [...set.map(([key]) => key), 'gone-1'])).toEqual([
          ...set.map(([, text]) => text),
          undefined,
        ]);
        expect(await store.deadLetters(7, 0, 10_000)).toHaveLength(3_001);
        expect(await store.commit(commitOf(A, 2, { state: { set: [], remove: set.map(([key]) => key) } }))).toBe(
          'accept',
        );
        expect((await store.load(7))?.empty).toBe(true);
      });
    });

    describe('what comes back', () => {
      it('C3: is what went in, for any key and text', async () => {
        await claim(A, undefined, '{"first":"ä\u0001"}');
        const keys = [
          '{}:*',
          'a b',
          ' ',
          '*',
          '>',
          '__proto__',
          'constructor',
          'ключ',
          '🦊',
          '\u0000',
          '\'"\\',
          '0',
          '',
        ];
        const long = 'x'.repeat(100_000);
        const set = [...keys, long].map((key, index) => [key, `{"index":${index},"ü":"${key.length}"}`] as const);
        await store.commit(commitOf(A, 1, { record: '{"r":"\u2028🦊"}', state: { set, remove: [] } }));
        expect(await store.loadStates(7, [...keys, long])).toEqual(set.map(([, text]) => text));
        for (const [key, text] of set) expect((await store.readState(7, key))?.state).toBe(text);
        expect((await store.read(7))?.record).toBe('{"r":"\u2028🦊"}');
        await store.commit(commitOf(A, 2, { state: { set: [], remove: ['__proto__'] } }));
        expect(await store.loadStates(7, ['__proto__', '{}:*'])).toEqual([undefined, set[0]![1]]);
      });

      it('C3: is byte for byte the segment that went in, in the order of numbers', async () => {
        await claim(A);
        const all = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
        const view = new Uint8Array(all.buffer, 100, 300);
        const put = [
          { number: 10, bytes: view },
          { number: 9, bytes: new Uint8Array(0) },
          { number: 2 ** 40, bytes: all },
          { number: 1, bytes: Uint8Array.of(0xc3, 0x28, 0, 13, 10) },
        ];
        await store.commit(commitOf(A, 1, { dedupePut: put }));
        const { segments } = plain(await store.load(7))!;
        expect(segments).toEqual([
          [1, [0xc3, 0x28, 0, 13, 10]],
          [9, []],
          [10, [...view]],
          [2 ** 40, [...all]],
        ]);
      });

      it('C3: tells numbers apart that a double cannot', async () => {
        await claim(A);
        const owner = '9007199254740993:n';
        await claim(owner, { owner: A, number: 0 });
        expect(await claim('9007199254740992:n', { owner: '9007199254740992:n', number: 0 })).toBe('fenced');
        expect(await store.commit(commitOf('9007199254740992:n', 1))).toBe('fenced');
        const dead = [
          ['9007199254740993', 'b'],
          ['9007199254740992', 'a'],
          ['18446744073709551615', 'c'],
        ] as const;
        const set = [
          ['app.7.9007199254740993.0', 'b'],
          ['app.7.9007199254740992.10', 'a10'],
          ['app.7.9007199254740992.9', 'a9'],
        ] as const;
        await store.commit(commitOf(owner, 1, { dead: { set: dead, remove: [] }, outbox: { set, remove: [] } }));
        expect(await store.deadLetters(7, 0, 10)).toEqual(['a', 'b', 'c']);
        expect((await store.load(7))?.outbox).toEqual([set[2], set[1], set[0]]);
      });

      it('is every key that has state, page by page, whatever else changes meanwhile', async () => {
        const named = async (): Promise<string[]> => {
          const found = new Set<string>();
          for await (const page of store.stateKeys(7)) for (const key of page) found.add(key);
          return [...found].sort();
        };
        await claim(A);
        expect(await named()).toEqual([]);
        const odd = ['{}:*', ' ', '%', '%00', '\u0000', '__proto__', 'ключ', '🦊', 'Key-1', "'", '\\'];
        const keys = [...odd, ...Array.from({ length: 3_000 }, (_, n) => `key-${n}`)];
        const set = (some: readonly string[]) => some.map((key) => [key, '{}'] as const);
        await store.commit(commitOf(A, 1, { state: { set: set(keys), remove: [] } }));
        await store.claim({ partition: 8, owner: B, seen: undefined, record: 'of 8' });
        await store.commit(commitOf(B, 1, { partition: 8, state: { set: set(['other']), remove: [] } }));
        expect(await named()).toEqual(keys.toSorted());

        const gone = new Set(keys.filter((key) => key.endsWith('7')));
        const stays = keys.filter((key) => !gone.has(key));
        const added = Array.from({ length: 500 }, (_, n) => `added-${n}`);
        const seen = new Set<string>();
        let number = 1;
        for await (const page of store.stateKeys(7)) {
          for (const key of page) seen.add(key);
          if (number++ > 1) continue;
          expect(await store.commit(commitOf(A, 2, { state: { set: set(added), remove: [...gone] } }))).toBe('accept');
        }
        expect(stays.filter((key) => !seen.has(key))).toEqual([]);
        expect(await named()).toEqual([...stays, ...added].sort());
      });

      it('is dead letters by stream sequence, in pages', async () => {
        await claim(A);
        const set = [9, 10, 100, 8, 1_000].map((sequence) => [String(sequence), `letter ${sequence}`] as const);
        await store.commit(commitOf(A, 1, { dead: { set, remove: [] } }));
        expect(await store.deadLetters(7, 0, 2)).toEqual(['letter 8', 'letter 9']);
        expect(await store.deadLetters(7, 9, 2)).toEqual(['letter 10', 'letter 100']);
        expect(await store.deadLetters(7, 100, 2)).toEqual(['letter 1000']);
        expect(await store.deadLetters(7, 1_000, 2)).toEqual([]);
        expect(await store.deadLetters(7, 0, 0)).toEqual([]);
      });
    });

    describe('a store that falls back', () => {
      it('refuses the commit that follows one it has lost', async () => {
        await claim(A);
        await store.commit(commitOf(A, 1));
        const rollback = await subject.snapshot();
        await store.commit(commitOf(A, 2, { state: { set: [['key', '2']], remove: [] } }));
        await rollback();
        expect(await store.commit(commitOf(A, 3))).toBe('fenced');
        expect(await store.loadStates(7, ['key'])).toEqual([undefined]);
        expect(await store.read(7)).toMatchObject({ owner: A, number: 1 });
        // What was lost may be sent once more: it is the very commit that the record waits for.
        expect(await store.commit(commitOf(A, 2))).toBe('accept');
      });

      it('refuses the owner whose claim it has lost, and accepts the one it remembers', async () => {
        await claim(A);
        const rollback = await subject.snapshot();
        await claim(B, { owner: A, number: 0 });
        await store.commit(commitOf(B, 1));
        await rollback();
        expect(await store.commit(commitOf(B, 2))).toBe('fenced');
        expect(await store.commit(commitOf(A, 1))).toBe('accept');
        await rollback();
        expect(await store.commit(commitOf(A, 2))).toBe('fenced');
      });

      it('refuses everybody after it has lost everything', async () => {
        const rollback = await subject.snapshot();
        await claim(A);
        await store.commit(commitOf(A, 1));
        await rollback();
        expect(await store.commit(commitOf(A, 2))).toBe('fenced');
        expect(await store.read(7)).toBeUndefined();
      });
    });
  });
}

type Loaded = Awaited<ReturnType<CheckpointStore['load']>>;

/** With segments as plain numbers, so that any kind of byte array compares. */
function plain(loaded: Loaded) {
  return loaded && { ...loaded, segments: loaded.segments.map(({ number, bytes }) => [number, [...bytes]]) };
}
