/**
 * Rows by key, found by text or by the bytes of the key where they lie in a batch: no string is made for an event whose
 * key is known. Linear probing with backward-shift deletion.
 *
 * A slot holds the row's number and, in the bits above, those bits of the hash that its place does not tell: another key
 * is passed over without a look at its record, which would be a cache miss each time.
 *
 * Invariants
 * X1. A key is found by all of its text, byte for byte; the hash only says where to look.
 */
import type { KeyLookup } from '../event/offered.js';
import { fnv1a32, fnv1a32Bytes, mix32 } from '../key/hash.js';
import type { KeyRecords } from './key-records.js';

const SLOTS_FIRST = 64;

export class KeyIndex implements KeyLookup {
  readonly #records: KeyRecords;
  /** 0 is free. A row is below the number of rows that were there at once, which always fits below the hash (see `add`). */
  #slots = new Uint32Array(SLOTS_FIRST);
  #size = 0;

  constructor(records: KeyRecords) {
    this.#records = records;
  }

  get size(): number {
    return this.#size;
  }

  rowOf(key: string): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hash = slotHash(fnv1a32(key));
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = slots[at]!;
      if (slot === 0) return -1;
      if (((slot ^ hash) & ~mask) === 0 && this.#records.isOf((slot & mask) - 1, key)) return (slot & mask) - 1;
    }
  }

  rowOfBytes(bytes: Uint8Array, from: number, to: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hash = slotHash(fnv1a32Bytes(bytes, from, to));
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = slots[at]!;
      if (slot === 0) return -1;
      const row = (slot & mask) - 1;
      if (((slot ^ hash) & ~mask) === 0 && this.#records.isOfBytes(row, bytes, from, to)) return row;
    }
  }

  /** Takes a row for a key that has none. */
  add(key: string): number {
    if ((this.#size + 1) * 4 > this.#slots.length * 3) this.#grow();
    this.#size++;
    const row = this.#records.take(key);
    this.#put(row, slotHash(fnv1a32(key)));
    return row;
  }

  /** Gives a row back. */
  delete(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#homeOf(row);
    while ((slots[hole]! & mask) - 1 !== row) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const home = this.#homeOf((slots[at]! & mask) - 1);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = slots[at]!;
      hole = at;
    }
    slots[hole] = 0;
    this.#size--;
    this.#records.give(row);
  }

  #homeOf(row: number): number {
    return slotHash(this.#records.keyHash(row)) & (this.#slots.length - 1);
  }

  #put(row: number, hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = hash & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = (hash & ~mask) | (row + 1);
  }

  #grow(): void {
    const before = this.#slots;
    const mask = before.length - 1;
    this.#slots = new Uint32Array(before.length * 2);
    for (const slot of before) {
      if (slot === 0) continue;
      const row = (slot & mask) - 1;
      this.#put(row, slotHash(this.#records.keyHash(row)));
    }
  }
}

/** All keys of a partition have the same remainder of their hash, so it is mixed first. */
function slotHash(hash: number): number {
  return mix32(hash, 0) | 0;
}
