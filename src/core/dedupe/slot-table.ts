/**
 * From 32-bit hashes to numbers, in 4.7 to 5.6 bytes each where there are many; several numbers may have one hash.
 *
 * Slots lie in buckets of 8, which are 32 bytes of memory. A number is put into the first bucket, from its home on,
 * that has room. A slot tells how many buckets its number has passed, so that a removal can call one back without asking
 * for its hash, which lies elsewhere in memory: nothing but a table that grows touches what its numbers stand for.
 *
 * Invariants
 * L1. Every bucket from the home of a number up to its own one is full, so a search ends at a bucket that is not.
 * L2. The used slots of a bucket are its first ones.
 * L3. A home comes from the high bits of a hash, and what a slot holds of it are low ones, which tell apart what the home
 *     does not: nearly every number that a search gives has the hash searched for.
 */

const BUCKET = 8;
const SLOTS_MIN = 8 * BUCKET;
/** At most so many of the slots are used. */
const USED_MAX = 0.86;
/** Below so many slots a table doubles; from there on memory counts, and it grows by less. */
const DOUBLING_MAX = 16_384;
const GROWTH = 1.2;
/** Low bits of a slot that hold the buckets passed, and the count that stands for so many or more. */
const PASSED_BITS = 3;
const PASSED = (1 << PASSED_BITS) - 1;

export class SlotTable {
  readonly #hashOf: (number: number) => number;
  /** 0 is free. Otherwise from above: the number + 1, low bits of its hash, buckets passed. */
  #slots = new Uint32Array(0);
  /** Bits of a slot below the number. */
  #lowBits = 0;
  #size = 0;
  #sizeMax = 0;

  /** `hashOf` gives the hash that a number was added with, for as long as it is there. */
  constructor(hashOf: (number: number) => number) {
    this.#hashOf = hashOf;
    this.#resize(SLOTS_MIN, 0);
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#slots.byteLength;
  }

  /**
   * Place of a number that probably has this hash, or −1 if there is none: the first, or the next one after a place.
   * A place is good until something is added or removed.
   */
  seek(hash: number, after = -1): number {
    const slots = this.#slots;
    const mask = (1 << this.#lowBits) - 1;
    let bucket = this.#homeOf(hash);
    let at = bucket;
    let passed = 0;
    if (after >= 0) {
      at = after + 1;
      passed = this.#distance(bucket, after & -BUCKET);
      bucket = after & -BUCKET;
    }
    for (;;) {
      const wanted = ((hash << PASSED_BITS) | Math.min(passed++, PASSED)) & mask;
      for (const end = bucket + BUCKET; at < end; at++) {
        if ((slots[at]! & mask) === wanted && slots[at] !== 0) return at;
      }
      if (slots[bucket + BUCKET - 1] === 0) return -1;
      bucket = this.#next(bucket);
      at = bucket;
    }
  }

  numberAt(place: number): number {
    return (this.#slots[place]! >>> this.#lowBits) - 1;
  }

  /** Makes room for so many numbers in all. */
  reserve(numbers: number): void {
    if (numbers > this.#sizeMax) this.#rebuild(Math.ceil(numbers / USED_MAX / BUCKET) * BUCKET, numbers);
  }

  /** Adds a number below 2^30 that is not there. */
  add(hash: number, number: number): void {
    const { length } = this.#slots;
    if (this.#size >= this.#sizeMax) {
      const grown = length * (length < DOUBLING_MAX ? 2 : GROWTH);
      this.#rebuild(Math.ceil(grown / BUCKET) * BUCKET, number);
    } else if ((number + 1) >>> (32 - this.#lowBits) !== 0) this.#rebuild(length, number);
    this.#put(hash, number);
    this.#size++;
  }

  /** Removes a number, if it is there, that was added with this hash. */
  remove(hash: number, number: number): void {
    let at = this.seek(hash);
    while (at >= 0 && this.numberAt(at) !== number) at = this.seek(hash, at);
    if (at < 0) return;
    this.#close(at);
    this.#size--;
  }

  /** Fills the place of a number that goes with one that had to pass its bucket, and so on (L1), or with the last one (L2). */
  #close(place: number): void {
    const slots = this.#slots;
    let hole = place;
    let bucket = hole & -BUCKET;
    while (slots[bucket + BUCKET - 1] !== 0) {
      const from = this.#thatPassed(bucket);
      if (from < 0) break;
      const came = from & -BUCKET;
      const passed = this.#passedBy(from) - this.#distance(bucket, came);
      slots[hole] = (slots[from]! & ~PASSED) | Math.min(passed, PASSED);
      hole = from;
      bucket = came;
    }
    const last = this.#usedEnd(bucket) - 1;
    slots[hole] = slots[last]!;
    slots[last] = 0;
  }

  /** Place of a number that passed a bucket which is full, or −1. */
  #thatPassed(bucket: number): number {
    const slots = this.#slots;
    let later = this.#next(bucket);
    for (let distance = 1; ; distance++, later = this.#next(later)) {
      for (let at = later; at < later + BUCKET; at++) {
        if (slots[at] === 0) return -1;
        if (this.#passedBy(at) >= distance) return at;
      }
    }
  }

  /** Buckets that the number at a place has passed. */
  #passedBy(place: number): number {
    const passed = this.#slots[place]! & PASSED;
    if (passed < PASSED) return passed;
    return this.#distance(this.#homeOf(this.#hashOf(this.numberAt(place))), place & -BUCKET);
  }

  #put(hash: number, number: number): void {
    const slots = this.#slots;
    let bucket = this.#homeOf(hash);
    let passed = 0;
    for (; slots[bucket + BUCKET - 1] !== 0; bucket = this.#next(bucket)) passed++;
    const low = ((hash << PASSED_BITS) | Math.min(passed, PASSED)) & ((1 << this.#lowBits) - 1);
    slots[this.#usedEnd(bucket)] = ((number + 1) << this.#lowBits) | low;
  }

  #rebuild(length: number, number: number): void {
    const [slots, lowBits] = [this.#slots, this.#lowBits];
    this.#resize(length, number);
    // All hashes first: they come from all over memory, and the processor then waits for many at a time.
    const hashes = new Uint32Array(slots.length);
    for (let at = 0; at < slots.length; at++)
      if (slots[at] !== 0) hashes[at] = this.#hashOf((slots[at]! >>> lowBits) - 1);
    for (let at = 0; at < slots.length; at++) if (slots[at] !== 0) this.#put(hashes[at]!, (slots[at]! >>> lowBits) - 1);
  }

  /** An empty table of so many slots, for numbers up to this one or that many. */
  #resize(length: number, number: number): void {
    this.#slots = new Uint32Array(length);
    this.#lowBits = Math.max(PASSED_BITS, Math.clz32(Math.max(length, number + 1)));
    this.#sizeMax = Math.floor(length * USED_MAX);
  }

  /** First slot of the bucket where the way of a hash begins. */
  #homeOf(hash: number): number {
    return ((hash * (this.#slots.length / BUCKET / 2 ** 32)) >>> 0) * BUCKET;
  }

  #next(bucket: number): number {
    return bucket + BUCKET === this.#slots.length ? 0 : bucket + BUCKET;
  }

  /** Buckets from one to another, over the end of the table. */
  #distance(from: number, to: number): number {
    return (to < from ? to - from + this.#slots.length : to - from) / BUCKET;
  }

  /** The first free slot of a bucket, or the end of a full one. */
  #usedEnd(bucket: number): number {
    const slots = this.#slots;
    let at = bucket + BUCKET;
    while (at > bucket && slots[at - 1] === 0) at--;
    return at;
  }
}
