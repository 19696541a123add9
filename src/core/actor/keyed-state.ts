/**
 * The keyed state of one partition: the resident keys, what is dirty, what must be loaded, what may leave.
 *
 * A resident key is a row: a record of numbers and texts (KeyRecords), its state, and, for the few keys of which something
 * waits, a `KeyWait`. Whoever keeps the number of a row holds the key (`hold`), or drops the number in the same step.
 *
 * Invariants
 * S1. A key's state is either resident and newest, or the stored one is: a key leaves only when nothing of it is
 *     dirty, being saved, waiting or held.
 * S2. `encodeDirty` is a consistent cut: what is applied later is in the next one.
 */
import type { FieldChanges } from '../checkpoint/commit.js';
import type { KeyHash } from '../dedupe/dedupe-index.js';
import { keyHashOf } from '../dedupe/dedupe-index.js';
import type { Offered } from '../event/offered.js';
import { unitAt } from '../key/text-unit.js';
import { KeyIndex } from './key-index.js';
import {
  APPLIED,
  DIRTY_AT,
  HASH_HIGH,
  HASH_LOW,
  HOLDS,
  KeyRecords,
  NEXT,
  SEQUENCE,
  SIZE,
  TIME,
} from './key-records.js';
import type { KeyWait } from './key-wait.js';
import { waitsForNothing } from './key-wait.js';
import { freezeState } from './state-value.js';

/** What `redis-cli HGET` shows for a key. */
export interface StateEnvelope {
  readonly state: unknown;
  /** Epoch ms; −Infinity if no event was applied. */
  readonly time: number;
  readonly id: string;
  readonly sequence: string;
  readonly applied: number;
  /** Number of the key's own sequence that was decided last, with order `sequence`. */
  readonly keySequence?: number;
}

const NEW_KEY_BYTES = 128;

// Flags of a row.
const LOADED = 0x01;
const SAVING = 0x02;
/** The store has text of this key, or the commit under way brings it there. */
const STORED = 0x04;
/** Touched since the passivation hand last passed. */
const USED = 0x08;
/** There is a `KeyWait`. */
const WAITS = 0x10;

export class KeyedState {
  readonly #records = new KeyRecords();
  readonly #index = new KeyIndex(this.#records);
  readonly #states: unknown[] = [];
  readonly #waits = new Map<number, KeyWait>();
  readonly #keysMax: number;
  readonly #bytesMax: number;
  readonly #firstNumber: number | undefined;
  /** True while every stored key is resident, so that an unknown key is a new one. */
  #complete: boolean;
  #wanted: string[] = [];
  // What is dirty: row, key, and the id of the event applied last, undefined if that is the one in the record.
  #dirty: number[] = [];
  #dirtyKeys: string[] = [];
  #dirtyIds: (string | undefined)[] = [];
  #saving: number[] = [];
  #dirtyBytes = 0;
  #bytes = 0;
  readonly #hash = { hashHigh: 0, hashLow: 0 };

  /** `complete`: no key is stored yet. `firstNumber`: where the numbering of a new key starts, with order `sequence` only. */
  constructor(complete: boolean, keysMax: number, bytesMax: number, firstNumber?: number) {
    this.#firstNumber = firstNumber;
    this.#complete = complete;
    this.#keysMax = keysMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Rough size of the next commit's state, bytes. */
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  get isDirty(): boolean {
    return this.#dirty.length > 0;
  }

  /** The row of a key; one that is not resident gets one, and is asked for if it may be stored. */
  row(key: string): number {
    const row = this.#index.rowOf(key);
    if (row < 0) return this.#make(key);
    this.#records.set(row, USED);
    return row;
  }

  /** The row of the key of an event that comes. */
  rowOf(offered: Pick<Offered, 'find' | 'key'>): number {
    const row = offered.find(this.#index);
    if (row < 0) return this.#make(offered.key);
    this.#records.set(row, USED);
    return row;
  }

  /** The row of a key that is resident, else −1. */
  resident(key: string): number {
    return this.#index.rowOf(key);
  }

  key(row: number): string {
    return this.#records.key(row);
  }

  /** Hash of the row's key. Reused: valid until the next call. */
  keyHash(row: number): KeyHash {
    this.#hash.hashHigh = this.#records.word(row, HASH_HIGH);
    this.#hash.hashLow = this.#records.word(row, HASH_LOW);
    return this.#hash;
  }

  isLoaded(row: number): boolean {
    return this.#records.has(row, LOADED);
  }

  /** One more event refers to this row: its key stays. */
  hold(row: number): void {
    this.#records.setWord(row, HOLDS, this.#records.word(row, HOLDS) + 1);
  }

  release(row: number): void {
    this.#records.setWord(row, HOLDS, this.#records.word(row, HOLDS) - 1);
  }

  state(row: number): unknown {
    return this.#states[row];
  }

  setState(row: number, state: unknown): void {
    this.#states[row] = state;
  }

  /** Newest event time applied, epoch ms, −Infinity before the first. */
  time(row: number): number {
    return this.#records.number(row, TIME);
  }

  /** How many events were applied. */
  applied(row: number): number {
    return this.#records.number(row, APPLIED);
  }

  /** Id of the event applied last. */
  lastId(row: number): string {
    const at = this.#records.word(row, DIRTY_AT);
    return (at === 0 ? undefined : this.#dirtyIds[at - 1]) ?? this.#records.id(row);
  }

  /** Number in the key's own sequence that is applied next; only with order `sequence`. */
  next(row: number): number {
    return this.#records.number(row, NEXT);
  }

  setNext(row: number, number: number): void {
    this.#records.setNumber(row, NEXT, number);
  }

  /** The state is that after this event. */
  advance(row: number, key: string, id: string, time: number, streamSequence: number): void {
    const records = this.#records;
    if (time > records.number(row, TIME)) records.setNumber(row, TIME, time);
    records.setNumber(row, SEQUENCE, streamSequence);
    records.setNumber(row, APPLIED, records.number(row, APPLIED) + 1);
    this.#dirtyIds[this.#markDirty(row, key)] = id;
  }

  /** Something of the key has changed that must be stored. */
  markDirty(row: number): void {
    if (this.#records.word(row, DIRTY_AT) === 0) this.#markDirty(row, this.#records.key(row));
  }

  /** What the key waits for, or undefined. */
  wait(row: number): KeyWait | undefined {
    return this.#records.has(row, WAITS) ? this.#waits.get(row) : undefined;
  }

  /** The same, to put something into it. */
  waitOf(row: number): KeyWait {
    const known = this.wait(row);
    if (known !== undefined) return known;
    const key = this.#records.key(row);
    const wait = { key, row, waiting: undefined, parked: undefined, gapSince: undefined, quarantine: undefined };
    this.#records.set(row, WAITS);
    this.#waits.set(row, wait);
    return wait;
  }

  /** Keys of which something waits. */
  waits(): Iterable<KeyWait> {
    return this.#waits.values();
  }

  /** Forgets what a key waits for where that is nothing any more. */
  settle(row: number): void {
    const wait = this.wait(row);
    if (wait === undefined || !waitsForNothing(wait)) return;
    this.#records.clear(row, WAITS);
    this.#waits.delete(row);
  }

  #make(key: string): number {
    const row = this.#index.add(key);
    const { hashHigh, hashLow } = keyHashOf(key);
    const records = this.#records;
    records.set(row, this.#complete ? USED | LOADED : USED);
    records.setWord(row, HASH_HIGH, hashHigh);
    records.setWord(row, HASH_LOW, hashLow);
    records.setNumber(row, TIME, Number.NEGATIVE_INFINITY);
    records.setNumber(row, NEXT, this.#firstNumber ?? 0);
    records.setWord(row, SIZE, NEW_KEY_BYTES);
    this.#states[row] = undefined;
    this.#bytes += NEW_KEY_BYTES;
    if (!this.#complete) this.#wanted.push(key);
    return row;
  }

  /** Keys to load since the last call. */
  takeWanted(): string[] {
    const wanted = this.#wanted;
    if (wanted.length > 0) this.#wanted = [];
    return wanted;
  }

  /** Takes in a loaded key; returns what is wrong with the stored text, or undefined. */
  fill(key: string, stored: string | undefined): string | undefined {
    const records = this.#records;
    const row = this.#index.rowOf(key);
    if (row < 0 || records.has(row, LOADED)) return undefined;
    records.set(row, LOADED);
    if (stored === undefined) return undefined;
    records.set(row, STORED);
    const envelope = readEnvelope(stored);
    if (envelope === undefined) return `the state of key ${JSON.stringify(key)} cannot be read`;
    freezeState(envelope.state);
    this.#states[row] = envelope.state;
    records.setNumber(row, TIME, envelope.time);
    records.setId(row, envelope.id);
    records.setNumber(row, SEQUENCE, Number(envelope.sequence));
    records.setNumber(row, APPLIED, envelope.applied);
    if (envelope.keySequence !== undefined) records.setNumber(row, NEXT, envelope.keySequence + 1);
    this.#resize(row, stored.length);
    return undefined;
  }

  /** The dirty keys as stored text; from now on they count as being saved. */
  encodeDirty(): FieldChanges {
    const records = this.#records;
    const set: [string, string][] = [];
    for (let i = 0; i < this.#dirty.length; i++) {
      const row = this.#dirty[i]!;
      const id = this.#dirtyIds[i];
      if (id !== undefined) records.setId(row, id);
      const text = this.#write(row, id ?? records.id(row));
      this.#resize(row, text.length);
      records.setWord(row, DIRTY_AT, 0);
      records.set(row, SAVING | STORED);
      set.push([this.#dirtyKeys[i]!, text]);
    }
    this.#saving = this.#dirty;
    this.#dirty = [];
    this.#dirtyKeys = [];
    this.#dirtyIds = [];
    this.#dirtyBytes = 0;
    return { set, remove: [] };
  }

  /** The last encoded keys are stored; idle ones may leave. */
  saved(): void {
    for (const row of this.#saving) this.#records.clear(row, SAVING);
    this.#saving = [];
    this.#passivate();
  }

  /** Its place among what is dirty. */
  #markDirty(row: number, key: string): number {
    const at = this.#records.word(row, DIRTY_AT);
    if (at > 0) return at - 1;
    this.#dirtyKeys.push(key);
    this.#dirtyIds.push(undefined);
    const dirty = this.#dirty.push(row);
    this.#records.setWord(row, DIRTY_AT, dirty);
    this.#dirtyBytes += this.#records.word(row, SIZE) + key.length;
    return dirty - 1;
  }

  #write(row: number, id: string): string {
    const records = this.#records;
    const applied = records.number(row, APPLIED);
    const isNew = applied === 0;
    const state = isNew ? 'null' : JSON.stringify(this.#states[row]);
    const time = isNew ? 'null' : timeText(records.number(row, TIME));
    const number = this.#firstNumber === undefined ? '' : `,"keySequence":${records.number(row, NEXT) - 1}`;
    const sequence = records.number(row, SEQUENCE);
    return `{"state":${state},"time":${time},"id":${jsonText(id)},"sequence":"${sequence}","applied":${applied}${number}}`;
  }

  #resize(row: number, bytes: number): void {
    this.#bytes += bytes - this.#records.word(row, SIZE);
    this.#records.setWord(row, SIZE, bytes);
  }

  /** Clock eviction: the hand clears `USED`, and takes what it finds cleared. At most one round a call. */
  #passivate(): void {
    const records = this.#records;
    let steps = this.#index.size;
    while (steps-- > 0 && (this.#index.size > this.#keysMax || this.#bytes > this.#bytesMax)) {
      const row = records.next();
      if (row < 0) continue;
      if (records.has(row, USED)) {
        records.clear(row, USED);
        continue;
      }
      const isIdle = records.word(row, DIRTY_AT) === 0 && records.word(row, HOLDS) === 0 && records.has(row, LOADED);
      if (!isIdle || records.has(row, SAVING | WAITS)) continue;
      this.#bytes -= records.word(row, SIZE);
      if (records.has(row, STORED)) this.#complete = false;
      this.#states[row] = undefined;
      this.#index.delete(row);
    }
  }
}

/** Decimal digits that engines write quickly. */
const LOW_DIGITS = 1e7;
let highTime = Number.NaN;
let highText = '';

/** `String(time)`. A number of more than 31 bits takes ten times as long as two short ones, and the first of them repeats. */
function timeText(time: number): string {
  if (!Number.isSafeInteger(time) || time < LOW_DIGITS) return String(time);
  const high = Math.floor(time / LOW_DIGITS);
  if (high !== highTime) {
    highTime = high;
    highText = String(high);
  }
  return highText + String(time - high * LOW_DIGITS + LOW_DIGITS).slice(1);
}

/** `JSON.stringify(text)`. */
function jsonText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const unit = unitAt(text, i);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** Reads stored text of one key; undefined if it is not an envelope. */
export function readEnvelope(text: string): StateEnvelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { state, time, id, sequence, applied, keySequence } = value as Record<string, unknown>;
  if (typeof id !== 'string' || typeof sequence !== 'string' || !/^\d{1,16}$/.test(sequence)) return undefined;
  if (state === undefined || !isCount(applied)) return undefined;
  if (keySequence !== undefined && !isCount(keySequence)) return undefined;
  // What was never applied is stored only for its numbering; otherwise the state would start again as a new one.
  if (applied === 0 && keySequence === undefined) return undefined;
  if (applied === 0 ? time !== null : typeof time !== 'number') return undefined;
  const envelope = { state, time: (time as number | null) ?? Number.NEGATIVE_INFINITY, id, sequence, applied };
  return keySequence === undefined ? envelope : { ...envelope, keySequence };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
