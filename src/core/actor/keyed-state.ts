/**
 * The keyed state of one partition: the resident keys, what is dirty, what must be loaded, what may leave.
 *
 * Invariants
 * S1. A key's state is either resident and newest, or the stored one is: a key leaves only when nothing of it is
 *     dirty, being saved, waiting or buffered.
 * S2. `encodeDirty` is a consistent cut: what is applied later is in the next one.
 */
import type { FieldChanges } from '../checkpoint/commit.js';
import type { KeyHash } from '../dedupe/dedupe-index.js';
import { keyHashOf } from '../dedupe/dedupe-index.js';
import type { Offered } from '../event/offered.js';
import { KeyIndex } from './key-index.js';
import type { Quarantine } from './parking.js';
import { freezeState } from './state-value.js';

/** One resident key. `W` is what waits for its state to be loaded. */
export interface KeyEntry<W> extends KeyHash {
  readonly key: string;
  state: unknown;
  /** Newest event time applied, epoch ms, −Infinity before the first. */
  time: number;
  /** Id and stream sequence of the event applied last. */
  id: string;
  streamSequence: number;
  /** How many events were applied. */
  applied: number;
  loaded: boolean;
  dirty: boolean;
  saving: boolean;
  /** The store has text of this key, or the commit under way brings it there. */
  isStored: boolean;
  /** Touched since the passivation hand last passed. */
  used: boolean;
  /** Buffered or waiting events that refer to this entry. */
  holds: number;
  /** Due events in order, while the state is being loaded. */
  waiting: W[] | undefined;
  /** Number in the key's own sequence that is applied next; only with order `sequence`. */
  next: number;
  /** Due events that may not be applied yet, in order (see Parking). */
  parked: W[] | undefined;
  /** Stream time since which a number is missing before the first parked event, epoch ms. */
  gapSince: number | undefined;
  /** Why the key's events wait for an operator. */
  quarantine: Quarantine | undefined;
  /** Length of the stored text, for the bounds. */
  bytes: number;
}

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

function writeEnvelope(
  { state, time, id, streamSequence, applied, next }: KeyEntry<unknown>,
  isNumbered: boolean,
): string {
  const isNew = applied === 0;
  const sequence = String(streamSequence);
  // Written as a whole: a text put together from pieces stays pieces, which every collection copies one by one.
  const envelope = { state: isNew ? null : state, time: isNew ? null : time, id, sequence, applied };
  return JSON.stringify(isNumbered ? { ...envelope, keySequence: next - 1 } : envelope);
}

export class KeyedState<W> {
  readonly #entries = new KeyIndex<KeyEntry<W>>();
  readonly #keysMax: number;
  readonly #bytesMax: number;
  readonly #firstNumber: number | undefined;
  /** True while every stored key is resident, so that an unknown key is a new one. */
  #complete: boolean;
  #wanted: string[] = [];
  #dirty: KeyEntry<W>[] = [];
  #saving: KeyEntry<W>[] = [];
  #dirtyBytes = 0;
  #bytes = 0;

  /** `complete`: no key is stored yet. `firstNumber`: where the numbering of a new key starts, with order `sequence` only. */
  constructor(complete: boolean, keysMax: number, bytesMax: number, firstNumber?: number) {
    this.#firstNumber = firstNumber;
    this.#complete = complete;
    this.#keysMax = keysMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Rough size of the next commit's state, bytes. */
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  get isDirty(): boolean {
    return this.#dirty.length > 0;
  }

  /** The entry of a key; one that is not resident is made, and asked for if it may be stored. */
  entry(key: string): KeyEntry<W> {
    const known = this.#entries.get(key);
    if (known === undefined) return this.#make(key);
    known.used = true;
    return known;
  }

  /** The entry of the key of an event that comes. */
  entryOf(offered: Pick<Offered, 'find' | 'key'>): KeyEntry<W> {
    const known = offered.find(this.#entries);
    if (known === undefined) return this.#make(offered.key);
    known.used = true;
    return known;
  }

  resident(key: string): KeyEntry<W> | undefined {
    return this.#entries.get(key);
  }

  entries(): Iterable<KeyEntry<W>> {
    return this.#entries.values();
  }

  #make(key: string): KeyEntry<W> {
    const { hashHigh, hashLow } = keyHashOf(key);
    // What every event touches comes first: that much of an entry fits two lines of a cache.
    const entry: KeyEntry<W> = {
      key,
      used: true,
      holds: 0,
      loaded: this.#complete,
      quarantine: undefined,
      hashHigh,
      hashLow,
      state: undefined,
      time: Number.NEGATIVE_INFINITY,
      id: '',
      streamSequence: 0,
      applied: 0,
      dirty: false,
      bytes: NEW_KEY_BYTES,
      saving: false,
      isStored: false,
      waiting: undefined,
      next: this.#firstNumber ?? 0,
      parked: undefined,
      gapSince: undefined,
    };
    this.#entries.add(entry);
    this.#bytes += NEW_KEY_BYTES;
    if (!this.#complete) this.#wanted.push(key);
    return entry;
  }

  /** Keys to load since the last call. */
  takeWanted(): string[] {
    const wanted = this.#wanted;
    if (wanted.length > 0) this.#wanted = [];
    return wanted;
  }

  /** Takes in a loaded key; returns what is wrong with the stored text, or undefined. */
  fill(key: string, stored: string | undefined): string | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.loaded) return undefined;
    entry.loaded = true;
    if (stored === undefined) return undefined;
    entry.isStored = true;
    const envelope = readEnvelope(stored);
    if (envelope === undefined) return `the state of key ${JSON.stringify(key)} cannot be read`;
    freezeState(envelope.state);
    entry.state = envelope.state;
    entry.time = envelope.time;
    entry.id = envelope.id;
    entry.streamSequence = Number(envelope.sequence);
    entry.applied = envelope.applied;
    if (envelope.keySequence !== undefined) entry.next = envelope.keySequence + 1;
    this.#bytes += stored.length - entry.bytes;
    entry.bytes = stored.length;
    return undefined;
  }

  markDirty(entry: KeyEntry<W>): void {
    if (entry.dirty) return;
    entry.dirty = true;
    this.#dirty.push(entry);
    this.#dirtyBytes += entry.bytes + entry.key.length;
  }

  /** The dirty keys as stored text; from now on they count as being saved. */
  encodeDirty(): FieldChanges {
    const set: [string, string][] = [];
    for (const entry of this.#dirty) {
      const text = writeEnvelope(entry, this.#firstNumber !== undefined);
      this.#bytes += text.length - entry.bytes;
      entry.bytes = text.length;
      entry.dirty = false;
      entry.saving = true;
      entry.isStored = true;
      set.push([entry.key, text]);
    }
    this.#saving = this.#dirty;
    this.#dirty = [];
    this.#dirtyBytes = 0;
    return { set, remove: [] };
  }

  /** The last encoded keys are stored; idle ones may leave. */
  saved(): void {
    for (const entry of this.#saving) entry.saving = false;
    this.#saving = [];
    this.#passivate();
  }

  /** Clock eviction: the hand clears `used`, and takes what it finds cleared. At most one round a call. */
  #passivate(): void {
    let steps = this.#entries.size;
    while (steps-- > 0 && (this.#entries.size > this.#keysMax || this.#bytes > this.#bytesMax)) {
      const entry = this.#entries.next();
      if (entry === undefined) continue;
      if (entry.used) {
        entry.used = false;
        continue;
      }
      if (entry.dirty || entry.saving || entry.holds > 0 || !entry.loaded) continue;
      this.#entries.delete(entry);
      this.#bytes -= entry.bytes;
      if (entry.isStored) this.#complete = false;
    }
  }
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
