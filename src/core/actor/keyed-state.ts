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
import { readEnvelope, writeEnvelope } from './state-envelope.js';
import { freezeState } from './state-value.js';

const NEW_KEY_BYTES = 128;

// Flags of a row.
const LOADED = 0x01;
/** The store has text of this key, or the commit under way brings it there. */
const STORED = 0x02;
/** Touched since the passivation hand last passed. */
const USED = 0x04;
/** There is a `KeyWait`. */
const WAITS = 0x08;

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
  rowOf(key: string): number {
    const row = this.#index.rowOf(key);
    if (row < 0) return this.#make(key);
    this.#records.set(row, USED);
    return row;
  }

  /** The row of the key of an event that comes. */
  rowOfOffered(offered: Pick<Offered, 'find' | 'key'>): number {
    const row = offered.find(this.#index);
    if (row < 0) return this.#make(offered.key);
    this.#records.set(row, USED);
    return row;
  }

  /** The row of a key that is resident, else −1. */
  resident(key: string): number {
    return this.#index.rowOf(key);
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

  /** The dirty keys as stored text. No key leaves until they are stored. */
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
      records.set(row, STORED);
      set.push([this.#dirtyKeys[i]!, text]);
    }
    this.#dirty = [];
    this.#dirtyKeys = [];
    this.#dirtyIds = [];
    this.#dirtyBytes = 0;
    return { set, remove: [] };
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
    const keySequence = this.#firstNumber === undefined ? undefined : records.number(row, NEXT) - 1;
    return writeEnvelope(
      this.#states[row],
      records.number(row, TIME),
      id,
      records.number(row, SEQUENCE),
      applied,
      keySequence,
    );
  }

  #resize(row: number, bytes: number): void {
    this.#bytes += bytes - this.#records.word(row, SIZE);
    this.#records.setWord(row, SIZE, bytes);
  }

  /**
   * The last encoded keys are stored; idle ones may leave, and only here, so that none does that is being saved. Clock
   * eviction: the hand clears `USED`, and takes what it finds cleared. At most one round a call.
   */
  saved(): void {
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
      if (!isIdle || records.has(row, WAITS)) continue;
      this.#bytes -= records.word(row, SIZE);
      if (records.has(row, STORED)) this.#complete = false;
      this.#states[row] = undefined;
      this.#index.delete(row);
    }
  }
}
