/**
 * What is kept of each resident key beside its state: a record of 128 bytes in a chunk of memory. An object per key with
 * its texts takes more than twice as much, and every collection looks at each of them.
 *
 * A record, in the machine's byte order: f64 times and counts, i32 words, u8 flags and lengths (see the columns), then
 * 72 bytes of text: the key, and behind it the id of its last event. A text that is not ASCII, or for which there is no
 * room, is a string beside the records.
 *
 * Invariants
 * C1. A row keeps its number until it is given back; a row that is given back is used again before a new one.
 * C2. A row that was just taken has nothing in it but its key.
 */

import { fnv1a32, fnv1a32Bytes } from '../key/hash.js';
import { isAscii } from '../key/key.js';
import { unitAt } from '../key/text-unit.js';

/** Numbers of a record. */
export const TIME = 0;
export const SEQUENCE = 1;
export const APPLIED = 2;
export const NEXT = 3;
/** Words of a record. */
export const HASH_HIGH = 8;
export const HASH_LOW = 9;
export const HOLDS = 10;
export const SIZE = 11;
export const DIRTY_AT = 12;
/** Bytes of a record: its flags, two lengths, a spare one, and the text. */
const FLAGS = 52;
const KEY_LENGTH = 53;
const ID_LENGTH = 54;
const TEXT = 56;

const RECORD_BYTES = 128;
const TEXT_BYTES = RECORD_BYTES - TEXT;
/** Length of a text that is a string beside the records. */
const ASIDE = 255;

/** Rows of a chunk: a power of two. */
const CHUNK_BITS = 7;
const CHUNK_ROWS = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK_ROWS - 1;

/** The flag of a row that is taken; the others are free to whoever takes it. */
const TAKEN = 0x80;

export class KeyRecords {
  // The same chunks, once per kind of number.
  readonly #numbers: Float64Array[] = [];
  readonly #words: Int32Array[] = [];
  readonly #bytes: Uint8Array[] = [];
  readonly #keysAside = new Map<number, string>();
  readonly #idsAside = new Map<number, string>();
  readonly #free: number[] = [];
  /** Rows that were ever taken. */
  #rows = 0;
  /** Row that `next` looks at next. */
  #hand = 0;

  /** A row for this key. */
  take(key: string): number {
    const row = this.#free.pop() ?? this.#add();
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    bytes.fill(0, at, at + RECORD_BYTES);
    bytes[at + FLAGS] = TAKEN;
    if (writeAscii(key, bytes, at + TEXT, TEXT_BYTES)) bytes[at + KEY_LENGTH] = key.length;
    else {
      bytes[at + KEY_LENGTH] = ASIDE;
      this.#keysAside.set(row, key);
    }
    return row;
  }

  give(row: number): void {
    this.#bytes[row >> CHUNK_BITS]![(row & IN_CHUNK) * RECORD_BYTES + FLAGS] = 0;
    this.#keysAside.delete(row);
    this.#idsAside.delete(row);
    this.#free.push(row);
  }

  /** The taken row that the hand comes to next, −1 once a round is complete. */
  next(): number {
    while (this.#hand < this.#rows) {
      const row = this.#hand++;
      if (this.has(row, TAKEN)) return row;
    }
    this.#hand = 0;
    return -1;
  }

  number(row: number, column: number): number {
    return this.#numbers[row >> CHUNK_BITS]![(row & IN_CHUNK) * (RECORD_BYTES / 8) + column]!;
  }

  setNumber(row: number, column: number, value: number): void {
    this.#numbers[row >> CHUNK_BITS]![(row & IN_CHUNK) * (RECORD_BYTES / 8) + column] = value;
  }

  word(row: number, column: number): number {
    return this.#words[row >> CHUNK_BITS]![(row & IN_CHUNK) * (RECORD_BYTES / 4) + column]!;
  }

  setWord(row: number, column: number, value: number): void {
    this.#words[row >> CHUNK_BITS]![(row & IN_CHUNK) * (RECORD_BYTES / 4) + column] = value;
  }

  /** Whether one of these flags is set; there are seven of them. */
  has(row: number, flags: number): boolean {
    return (this.#bytes[row >> CHUNK_BITS]![(row & IN_CHUNK) * RECORD_BYTES + FLAGS]! & flags) !== 0;
  }

  set(row: number, flags: number): void {
    this.#bytes[row >> CHUNK_BITS]![(row & IN_CHUNK) * RECORD_BYTES + FLAGS]! |= flags;
  }

  clear(row: number, flags: number): void {
    this.#bytes[row >> CHUNK_BITS]![(row & IN_CHUNK) * RECORD_BYTES + FLAGS]! &= ~flags;
  }

  /** Whether the row is this key's. */
  isOf(row: number, key: string): boolean {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const length = bytes[at + KEY_LENGTH]!;
    if (length === ASIDE) return this.#keysAside.get(row) === key;
    if (length !== key.length) return false;
    for (let i = 0; i < length; i++) if (bytes[at + TEXT + i] !== unitAt(key, i)) return false;
    return true;
  }

  /** Whether the row is that of the key whose ASCII text is `text[from, to)`. */
  isOfBytes(row: number, text: Uint8Array, from: number, to: number): boolean {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const length = bytes[at + KEY_LENGTH]!;
    if (length === ASIDE) return isAscii(this.#keysAside.get(row)!, text, from, to);
    if (length !== to - from) return false;
    for (let i = 0; i < length; i++) if (bytes[at + TEXT + i] !== text[from + i]) return false;
    return true;
  }

  /** `fnv1a32` of the row's key. */
  keyHash(row: number): number {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const length = bytes[at + KEY_LENGTH]!;
    if (length === ASIDE) return fnv1a32(this.#keysAside.get(row)!);
    return fnv1a32Bytes(bytes, at + TEXT, at + TEXT + length);
  }

  key(row: number): string {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const length = bytes[at + KEY_LENGTH]!;
    return length === ASIDE ? this.#keysAside.get(row)! : readAscii(bytes, at + TEXT, length);
  }

  id(row: number): string {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const length = bytes[at + ID_LENGTH]!;
    return length === ASIDE ? this.#idsAside.get(row)! : readAscii(bytes, at + TEXT + keyBytes(bytes, at), length);
  }

  setId(row: number, id: string): void {
    const bytes = this.#bytes[row >> CHUNK_BITS]!;
    const at = (row & IN_CHUNK) * RECORD_BYTES;
    const used = keyBytes(bytes, at);
    if (writeAscii(id, bytes, at + TEXT + used, TEXT_BYTES - used)) {
      if (bytes[at + ID_LENGTH] === ASIDE) this.#idsAside.delete(row);
      bytes[at + ID_LENGTH] = id.length;
      return;
    }
    bytes[at + ID_LENGTH] = ASIDE;
    this.#idsAside.set(row, id);
  }

  #add(): number {
    if (this.#rows === this.#bytes.length * CHUNK_ROWS) {
      const chunk = new ArrayBuffer(CHUNK_ROWS * RECORD_BYTES);
      this.#numbers.push(new Float64Array(chunk));
      this.#words.push(new Int32Array(chunk));
      this.#bytes.push(new Uint8Array(chunk));
    }
    return this.#rows++;
  }
}

/** Bytes that the key takes of the text of the record at `at`. */
function keyBytes(bytes: Uint8Array, at: number): number {
  const length = bytes[at + KEY_LENGTH]!;
  return length === ASIDE ? 0 : length;
}

/** Writes a text of at most `room` characters; false, with nothing to be read there, if it is longer or not ASCII. */
function writeAscii(text: string, bytes: Uint8Array, at: number, room: number): boolean {
  const { length } = text;
  if (length > room) return false;
  for (let i = 0; i < length; i++) {
    const unit = unitAt(text, i);
    if (unit > 0x7f) return false;
    bytes[at + i] = unit;
  }
  return true;
}

function readAscii(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
