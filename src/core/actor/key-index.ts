/**
 * Entries by key, found by text or by the bytes of the key where they lie in a batch: no string is made for an event
 * whose key is known. Linear probing with backward-shift deletion. Hashes and the bytes of keys stand apart from the
 * entries, close together: a key that is not the right one is passed over without touching its entry, which would be
 * a cache miss each time.
 *
 * Invariants
 * X1. A key is found by all of its text, byte for byte; the hash only says where to look.
 * X2. `next` steps through the slots; an entry that is neither added nor deleted meanwhile is met in every round.
 */
import type { KeyLookup } from '../event/offered.js';
import { fnv1a32, fnv1a32Bytes, mix32 } from '../key/hash.js';

const SLOTS_FIRST = 64;
const TEXT_FIRST = 1024;
/** The place of keys that are not ASCII, whose bytes nobody looks for. */
const NO_TEXT = 0;

export class KeyIndex<E extends { readonly key: string }> implements KeyLookup<E> {
  /** Hash of each slot's entry, 0 where it is free. */
  #hashes = new Uint32Array(SLOTS_FIRST);
  /** Where each slot's key lies in `#text`: its length less one in a byte, then its bytes. */
  #places = new Uint32Array(SLOTS_FIRST);
  #entries = new Array<E | undefined>(SLOTS_FIRST).fill(undefined);
  #text = new Uint8Array(TEXT_FIRST);
  /** The first byte is no key's, so that a place is never `NO_TEXT`. */
  #textEnd = 1;
  /** Bytes of `#text` whose keys are gone. */
  #waste = 0;
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
      if (hashes[at] === hash && this.#isAt(this.#places[at]!, bytes, from, to)) return this.#entries[at];
    return undefined;
  }

  /** Adds the entry of a key that has none. */
  add(entry: E): void {
    if ((this.#size + 1) * 4 > this.#hashes.length * 3) this.#rebuild(this.#hashes.length * 2);
    else if (this.#waste > this.#text.length / 2) this.#rebuild(this.#hashes.length);
    this.#size++;
    this.#put(slotHash(fnv1a32(entry.key)), this.#write(entry.key), entry);
  }

  delete(entry: E): void {
    const [hashes, places, entries] = [this.#hashes, this.#places, this.#entries];
    const mask = hashes.length - 1;
    let hole = slotHash(fnv1a32(entry.key)) & mask;
    while (entries[hole] !== entry) {
      if (hashes[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    this.#size--;
    if (places[hole] !== NO_TEXT) this.#waste += this.#text[places[hole]!]! + 2;
    if (this.#hand === hole + 1) this.#hand = hole; // another entry may come to stand there
    for (let at = (hole + 1) & mask; hashes[at] !== 0; at = (at + 1) & mask) {
      if (((at - hashes[at]!) & mask) < ((at - hole) & mask)) continue;
      hashes[hole] = hashes[at]!;
      places[hole] = places[at]!;
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

  #isAt(place: number, bytes: Uint8Array, from: number, to: number): boolean {
    const text = this.#text;
    const length = to - from;
    if (place === NO_TEXT || text[place] !== length - 1) return false;
    for (let i = 0; i < length; i++) if (text[place + 1 + i] !== bytes[from + i]) return false;
    return true;
  }

  /** Writes a key of 1 to 256 bytes of ASCII; returns its place. */
  #write(key: string): number {
    const { length } = key;
    for (let i = 0; i < length; i++) if (key.charCodeAt(i) > 0x7f) return NO_TEXT;
    const place = this.#textEnd;
    const end = place + 1 + length;
    if (length === 0 || length > 256) return NO_TEXT;
    if (end > this.#text.length) {
      const text = new Uint8Array(Math.max(end, this.#text.length * 2));
      text.set(this.#text);
      this.#text = text;
    }
    this.#text[place] = length - 1;
    for (let i = 0; i < length; i++) this.#text[place + 1 + i] = key.charCodeAt(i);
    this.#textEnd = end;
    return place;
  }

  #put(hash: number, place: number, entry: E): void {
    const mask = this.#hashes.length - 1;
    let at = hash & mask;
    while (this.#hashes[at] !== 0) at = (at + 1) & mask;
    this.#hashes[at] = hash;
    this.#places[at] = place;
    this.#entries[at] = entry;
  }

  /** Takes everything over into so many slots, and leaves the text of deleted keys behind. */
  #rebuild(slots: number): void {
    const [hashes, places, entries, text] = [this.#hashes, this.#places, this.#entries, this.#text];
    this.#hashes = new Uint32Array(slots);
    this.#places = new Uint32Array(slots);
    this.#entries = new Array<E | undefined>(slots).fill(undefined);
    this.#text = new Uint8Array(Math.max(TEXT_FIRST, (this.#textEnd - this.#waste) * 2));
    this.#textEnd = 1;
    this.#waste = 0;
    this.#hand = 0;
    for (let at = 0; at < hashes.length; at++) {
      if (hashes[at] === 0) continue;
      const from = places[at]!;
      const place = from === NO_TEXT ? NO_TEXT : this.#textEnd;
      if (from !== NO_TEXT) {
        const bytes = text.subarray(from, from + text[from]! + 2);
        this.#text.set(bytes, place);
        this.#textEnd += bytes.length;
      }
      this.#put(hashes[at]!, place, entries[at]!);
    }
  }
}

/** All keys of a partition have the same remainder of their hash, so it is mixed first. Never 0. */
function slotHash(hash: number): number {
  return mix32(hash, 0) || 1;
}
