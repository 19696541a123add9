/**
 * Entries by key, found by text or by the bytes of the key where they lie in a batch: no string is made for an event
 * whose key is known. Linear probing with backward-shift deletion; the hashes stand apart from the entries, so that a
 * foreign one is passed over without touching it.
 *
 * Invariants
 * X1. A key is found by all of its text, byte for byte; the hash only says where to look.
 * X2. `next` steps through the slots; an entry that is neither added nor deleted meanwhile is met in every round.
 */
import type { KeyLookup } from '../event/offered.js';
import { fnv1a32, fnv1a32Bytes, mix32 } from '../key/hash.js';
import { isAscii } from '../key/key.js';

const SLOTS_FIRST = 64;

export class KeyIndex<E extends { readonly key: string }> implements KeyLookup<E> {
  /** Hash of each slot's entry, 0 where it is free. */
  #hashes = new Uint32Array(SLOTS_FIRST);
  #entries = new Array<E | undefined>(SLOTS_FIRST).fill(undefined);
  #size = 0;
  /** Slot that `next` looks at next. */
  #hand = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): E | undefined {
    const hash = slotHash(fnv1a32(key));
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let at = hash & mask; hashes[at] !== 0; at = (at + 1) & mask)
      if (hashes[at] === hash && this.#entries[at]!.key === key) return this.#entries[at];
    return undefined;
  }

  /** The same for the key whose ASCII text is `bytes[from, to)`. */
  getBytes(bytes: Uint8Array, from: number, to: number): E | undefined {
    const hash = slotHash(fnv1a32Bytes(bytes, from, to));
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let at = hash & mask; hashes[at] !== 0; at = (at + 1) & mask)
      if (hashes[at] === hash && isAscii(this.#entries[at]!.key, bytes, from, to)) return this.#entries[at];
    return undefined;
  }

  /** Adds the entry of a key that has none. */
  add(entry: E): void {
    if ((this.#size + 1) * 4 > this.#hashes.length * 3) this.#grow();
    this.#size++;
    this.#put(slotHash(fnv1a32(entry.key)), entry);
  }

  delete(entry: E): void {
    const [hashes, entries] = [this.#hashes, this.#entries];
    const mask = hashes.length - 1;
    let hole = slotHash(fnv1a32(entry.key)) & mask;
    while (entries[hole] !== entry) {
      if (hashes[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    this.#size--;
    if (this.#hand === hole + 1) this.#hand = hole; // another entry may come to stand there
    for (let at = (hole + 1) & mask; hashes[at] !== 0; at = (at + 1) & mask) {
      if (((at - hashes[at]!) & mask) < ((at - hole) & mask)) continue;
      hashes[hole] = hashes[at]!;
      entries[hole] = entries[at];
      hole = at;
    }
    hashes[hole] = 0;
    entries[hole] = undefined;
  }

  /** The entry that the hand comes to next, or undefined once a round is complete. */
  next(): E | undefined {
    while (this.#hand < this.#entries.length) {
      const entry = this.#entries[this.#hand++];
      if (entry !== undefined) return entry;
    }
    this.#hand = 0;
    return undefined;
  }

  *values(): IterableIterator<E> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }

  #put(hash: number, entry: E): void {
    const mask = this.#hashes.length - 1;
    let at = hash & mask;
    while (this.#hashes[at] !== 0) at = (at + 1) & mask;
    this.#hashes[at] = hash;
    this.#entries[at] = entry;
  }

  #grow(): void {
    const [hashes, entries] = [this.#hashes, this.#entries];
    this.#hashes = new Uint32Array(hashes.length * 2);
    this.#entries = new Array<E | undefined>(hashes.length * 2).fill(undefined);
    this.#hand = 0;
    for (let at = 0; at < hashes.length; at++) if (hashes[at] !== 0) this.#put(hashes[at]!, entries[at]!);
  }
}

/** All keys of a partition have the same remainder of their hash, so it is mixed first. Never 0. */
function slotHash(hash: number): number {
  return mix32(hash, 0) || 1;
}
