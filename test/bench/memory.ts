/**
 * What a node holds in memory, measured on the heap after a collection:
 *
 *   node dist/test/bench/memory.js [--ids 1000000] [--keys 500000]
 *
 *   dedupe     bytes per id of the index, everything included
 *   idle key   bytes per resident key beyond its state: the text of the key, its record, the id of its last event, its
 *              place in the index. The same states alone, in an array, are subtracted. A key that is not resident takes
 *              nothing; how many may be is `limits.residentKeys`
 *
 * Not measured: what is held for the settle window, and commits under way.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { KeyedState } from '../../src/core/actor/keyed-state.js';
import { freezeState } from '../../src/core/actor/state-value.js';
import { Decision, DedupeIndex, keyHashOf } from '../../src/core/dedupe/dedupe-index.js';

const ID_TARGET = 32;
const KEY_TARGET = 150;
const KEYS_OF_IDS = 100_000;

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { ids: text, keys: text } });
const ids = Number(values.ids ?? 1_000_000);
const keys = Number(values.keys ?? 500_000);

setFlagsFromString('--expose-gc');
const collectOnce = runInNewContext('gc') as () => void;
/** What a first collection only finds, such as a table that grew, a second one frees. */
const collect = (): void => {
  collectOnce();
  collectOnce();
};

/** Bytes that live on because of what `make` gives, divided by `count`. */
function bytesEach<T>(count: number, make: () => T, use: (made: T) => void): number {
  collect();
  const before = process.memoryUsage();
  const made = make();
  collect();
  const after = process.memoryUsage();
  use(made);
  return (after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers) / count;
}

function fullIndex(): DedupeIndex {
  const index = new DedupeIndex(600_000, ids);
  for (let i = 0; i < ids; i++) {
    index.find(idText(), keyHashOf(`account-${i % KEYS_OF_IDS}`));
    index.decide(index.insert(1_700_000_000_000, i + 1, i), Decision.applied);
  }
  return index;
}

function account(i: number): object {
  const state = { balance: i, deposits: 1, withdrawals: 0, refused: 0 };
  freezeState(state);
  return state;
}

/** As it comes out of an event: one flat text. */
const idText = (): string => Buffer.from(randomUUID()).toString('latin1');

function residentKeys(): KeyedState {
  const state = new KeyedState(true, keys, Number.MAX_SAFE_INTEGER);
  for (let i = 0; i < keys; i++) {
    const key = `account-${i}`;
    const row = state.rowOf(key);
    state.setState(row, account(i));
    state.advance(row, key, idText(), 1_700_000_000_000 + i, i + 1);
  }
  state.encodeDirty();
  state.saved();
  return state;
}

const perId = bytesEach(ids, fullIndex, ({ size, bytes }) => {
  expect(size, ids);
  console.log(`dedupe index by its own account: ${(bytes / ids).toFixed(1)} bytes each`);
});
const withState = bytesEach(keys, residentKeys, ({ size }) => expect(size, keys));
const stateAlone = bytesEach(
  keys,
  () => Array.from({ length: keys }, (_, i) => account(i)),
  ({ length }) => expect(length, keys),
);
const perKey = withState - stateAlone;
const verdict = (bytes: number, most: number): string =>
  `${bytes.toFixed(1)} bytes, target ${most}: ${bytes <= most ? 'reached' : 'missed'}`;
console.log(`dedupe index, ${ids} ids, each: ${verdict(perId, ID_TARGET)}`);
console.log(`resident key beyond its state, ${keys} keys, each: ${verdict(perKey, KEY_TARGET)}`);
console.log(`state alone ${stateAlone.toFixed(0)} bytes; node ${process.version}`);

function expect(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} are there, not ${wanted}`);
}
