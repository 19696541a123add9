/**
 * Which events were seen, by 128-bit fingerprint of (id, key), within a horizon of event time and count.
 *
 * Memory per id: 28 bytes of entry and 5 to 10 bytes of table; no object per id. Entries lie in chunks, in arrival
 * order; the table maps a fingerprint to its entry by linear probing with backward-shift deletion.
 *
 * Invariants
 * D1. An id is a duplicate iff an entry with the same 128 bits is inside the horizon; event time decides, never a wall clock.
 * D2. An entry whose event still waits is marked so: only decided ones may be stored, or recovery would take an
 *     event that it reads again for a duplicate of itself.
 * D3. Eviction goes from the oldest arrival on and stops at an entry whose event still waits. After a recovery the order
 *     is that of decisions, so which ids the count bound keeps may differ by as many as were held; time is exact.
 * D4. The fingerprint's first half depends on the id alone, so that an id can be looked up without its key; the
 *     second half on both, so that ids that are unique per key only never collide.
 * D5. The place of an evicted entry is used again only after `recycle`: until a commit has copied the entries that
 *     were decided, their numbers must not come to mean other ids, least of all ones that still wait.
 * D6. No entry is ever more than 2^32 ms behind the newest time, or 32 bits would make it look young again.
 */
import type { Offered } from '../event/offered.js';
import { mix32, murmur128, murmurWords } from '../key/hash.js';

/** What was decided about an event. The numbers are stored: never reuse one. */
export const Decision = { waiting: 0, applied: 1, late: 2, dead: 3, skipped: 4, parked: 5 } as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

/** What the index knows about one id. */
export interface Seen {
  readonly streamSequence: number;
  /** Event time, epoch ms. */
  readonly time: number;
  readonly bodyHash: number;
  readonly decision: Decision;
}

/** 64-bit hash of a key as two signed words, mixed into the fingerprint; computed once per resident key. */
export interface KeyHash {
  readonly hashHigh: number;
  readonly hashLow: number;
}

const DAY_MS = 24 * 3600 * 1000;

/** Longest horizon: times are kept as 32 bits of milliseconds (49 days) behind the newest one. */
export const DEDUPE_HORIZON_MS_MAX = 20 * DAY_MS;

/** How far event time moves on before stored times are brought up to the longest horizon again (D6). */
export const AGEING_MS = 5 * DAY_MS;

/** 32-bit words of an entry: 4 of fingerprint, 1 of body hash (28 bits) and decision (4), 1 of time, 1 of sequence. */
export const ENTRY_WORDS = 7;
const BODY = 4;
const TIME = 5;
const SEQUENCE = 6;

const SEED = 0x6d696c6c;
/** Entries of a chunk: a power of two, so that an entry's place is a shift and a mask. */
const CHUNK_BITS = 10;
const CHUNK = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK - 1;

/** Entry numbers are below so many times the table's size; the other bits of a slot hold fingerprint. */
const NUMBERS_PER_SLOT = 64;

export function keyHashOf(key: string): KeyHash {
  murmur128(key, SEED);
  return { hashHigh: murmurWords[0]! | 0, hashLow: murmurWords[1]! | 0 };
}

export class DedupeIndex {
  readonly #horizonMs: number;
  readonly #countMax: number;
  /** Pool of chunks; entry e lives in chunk e >> CHUNK_BITS. */
  readonly #chunks: Uint32Array[] = [];
  /** Chunk numbers in arrival order; the first holds the oldest entry, the last takes the next one. */
  readonly #order: number[] = [];
  readonly #free: number[] = [];
  /** Chunks that were evicted as a whole since the last `recycle`. */
  readonly #retired: number[] = [];
  #headOffset = 0;
  #tailOffset = CHUNK;
  #size = 0;
  /**
   * 0 is free. Otherwise the entry's number + 1 in the low bits, and above them the same bits of the fingerprint's
   * first word: a foreign entry is then passed over without looking at it, which would be a cache miss each time.
   */
  #table = new Uint32Array(64);
  /** The bits of a slot that hold the number. */
  #numberBits = 64 * NUMBERS_PER_SLOT - 1;
  #maxTime = 0;
  /** `#maxTime` when the entries were last aged. */
  #agedAt = 0;
  #maxSequence = 0;
  #evictedEarly = 0;
  /** The fingerprint of the last `find`, for the `insert` that follows it. */
  readonly #print = new Uint32Array(4);

  constructor(horizonMs: number, countMax: number) {
    this.#horizonMs = horizonMs;
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Ids that left because of the count bound while still inside the time horizon. */
  get evictedEarly(): number {
    return this.#evictedEarly;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#chunks.length * CHUNK * ENTRY_WORDS * 4 + this.#table.byteLength;
  }

  get maxTime(): number {
    return this.#maxTime;
  }

  get maxSequence(): number {
    return this.#maxSequence;
  }

  /** Entry of an event seen inside the horizon, or −1. Remembers the fingerprint for `insert`. */
  find(id: string, key: KeyHash): number {
    this.#fingerprint(id, key);
    return this.#found();
  }

  /** The same for an event that comes. */
  findOffered(offered: Pick<Offered, 'hashId'>, key: KeyHash): number {
    offered.hashId(SEED);
    this.#takePrint(key);
    return this.#found();
  }

  /** Adds the event of the last `find`, as waiting; returns its entry for `decide`. */
  insert(time: number, streamSequence: number, bodyHash: number): number {
    this.#advance(time, streamSequence);
    this.#evict();
    const stale = this.#lookUp();
    const entry = this.#allocate();
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const at = (entry & IN_CHUNK) * ENTRY_WORDS;
    for (let i = 0; i < 4; i++) words[at + i] = this.#print[i]!;
    words[at + BODY] = (bodyHash << 4) | Decision.waiting;
    // Stored modulo 2^32, as typed arrays do.
    words[at + TIME] = Math.max(time, this.#maxTime - DEDUPE_HORIZON_MS_MAX);
    words[at + SEQUENCE] = streamSequence;
    if (stale >= 0) this.#unlink(stale);
    this.#link(entry);
    return entry;
  }

  decide(entry: number, decision: Decision): void {
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const at = (entry & IN_CHUNK) * ENTRY_WORDS + BODY;
    words[at] = (words[at]! & ~15) | decision;
  }

  /** Whether the entry was inserted with the same body hash. */
  hasBody(entry: number, bodyHash: number): boolean {
    return this.#word(entry, BODY) >>> 4 === (bodyHash << 4) >>> 4;
  }

  seen(entry: number): Seen {
    const body = this.#word(entry, BODY);
    return {
      streamSequence: behind(this.#maxSequence, this.#word(entry, SEQUENCE)),
      time: this.#timeOf(entry),
      bodyHash: body >>> 4,
      decision: (body & 15) as Decision,
    };
  }

  /** Everything inside the horizon about an id, whatever its key. */
  findAll(id: string): Seen[] {
    this.#fingerprint(id, { hashHigh: 0, hashLow: 0 });
    const [first, second] = this.#print;
    const found: Seen[] = [];
    const mask = this.#table.length - 1;
    for (let at = first! & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const entry = this.#entryAt(at);
      const matches = this.#word(entry, 0) === first && this.#word(entry, 1) === second;
      if (matches && !this.#isExpired(entry)) found.push(this.seen(entry));
    }
    return found;
  }

  /** Copies an entry's words to `into` at word offset `at`, for storing. */
  copy(entry: number, into: Uint32Array, at: number): void {
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const from = (entry & IN_CHUNK) * ENTRY_WORDS;
    for (let i = 0; i < ENTRY_WORDS; i++) into[at + i] = words[from + i]!;
  }

  /** Puts a stored entry back, as `copy` gave it when the newest time and sequence were these. */
  restore(words: Uint32Array, at: number, maxTime: number, maxSequence: number): void {
    for (let i = 0; i < 4; i++) this.#print[i] = words[at + i]!;
    const time = behind(maxTime, words[at + TIME]!);
    const sequence = behind(maxSequence, words[at + SEQUENCE]!);
    // Waiting events counted there too, and ids that they put outside the horizon stay outside.
    this.#advance(maxTime, maxSequence);
    const entry = this.insert(time, sequence, words[at + BODY]! >>> 4);
    this.decide(entry, (words[at + BODY]! & 15) as Decision);
  }

  /** The decided entries have been copied: evicted places may be used again. */
  recycle(): void {
    this.#free.push(...this.#retired.splice(0));
  }

  #advance(time: number, streamSequence: number): void {
    if (streamSequence > this.#maxSequence) this.#maxSequence = streamSequence;
    if (time <= this.#maxTime) return;
    if (time - this.#agedAt > AGEING_MS) this.#age(time);
    this.#maxTime = time;
  }

  /** Event time will be `time`: what is then older than the longest horizon is made just that old. */
  #age(time: number): void {
    const oldest = time - DEDUPE_HORIZON_MS_MAX;
    for (let chunk = 0; chunk < this.#chunks.length; chunk++)
      for (let entry = chunk * CHUNK; entry < (chunk + 1) * CHUNK; entry++)
        if (this.#timeOf(entry) < oldest)
          this.#chunks[chunk]![(entry & IN_CHUNK) * ENTRY_WORDS + TIME] = Math.max(oldest, 0);
    this.#agedAt = time;
  }

  #word(entry: number, offset: number): number {
    return this.#chunks[entry >> CHUNK_BITS]![(entry & IN_CHUNK) * ENTRY_WORDS + offset]!;
  }

  #timeOf(entry: number): number {
    return behind(this.#maxTime, this.#word(entry, TIME));
  }

  #isExpired(entry: number): boolean {
    return (
      this.#timeOf(entry) <= this.#maxTime - this.#horizonMs && (this.#word(entry, BODY) & 15) !== Decision.waiting
    );
  }

  #fingerprint(id: string, key: KeyHash): void {
    murmur128(id, SEED);
    this.#takePrint(key);
  }

  /** The fingerprint of the id that was hashed last, with its key. */
  #takePrint(key: KeyHash): void {
    this.#print[0] = murmurWords[0]!;
    this.#print[1] = murmurWords[1]!;
    this.#print[2] = mix32(murmurWords[2]!, key.hashHigh);
    this.#print[3] = mix32(murmurWords[3]!, key.hashLow);
  }

  #found(): number {
    const entry = this.#lookUp();
    return entry >= 0 && this.#isExpired(entry) ? -1 : entry;
  }

  #lookUp(): number {
    const table = this.#table;
    const print = this.#print;
    const mask = table.length - 1;
    const first = print[0]!;
    for (let at = first & mask; ; at = (at + 1) & mask) {
      const slot = table[at]!;
      if (slot === 0) return -1;
      if (((slot ^ first) & ~this.#numberBits) !== 0) continue;
      const entry = this.#entryAt(at);
      const words = this.#chunks[entry >> CHUNK_BITS]!;
      const from = (entry & IN_CHUNK) * ENTRY_WORDS;
      if (
        words[from] === first &&
        words[from + 1] === print[1] &&
        words[from + 2] === print[2] &&
        words[from + 3] === print[3]
      )
        return entry;
    }
  }

  /** Entry of a slot that is not free. */
  #entryAt(at: number): number {
    return (this.#table[at]! & this.#numberBits) - 1;
  }

  /** What the table holds for an entry. */
  #slotOf(entry: number): number {
    return ((this.#word(entry, 0) & ~this.#numberBits) | (entry + 1)) >>> 0;
  }

  #allocate(): number {
    if (this.#tailOffset === CHUNK) {
      let chunk = this.#free.pop();
      if (chunk === undefined) {
        chunk = this.#chunks.length;
        this.#chunks.push(new Uint32Array(CHUNK * ENTRY_WORDS));
      }
      this.#order.push(chunk);
      this.#tailOffset = 0;
    }
    this.#size++;
    return this.#order[this.#order.length - 1]! * CHUNK + this.#tailOffset++;
  }

  #evict(): void {
    while (this.#size > 0) {
      const entry = this.#order[0]! * CHUNK + this.#headOffset;
      if ((this.#word(entry, BODY) & 15) === Decision.waiting) return;
      if (!this.#isExpired(entry)) {
        if (this.#size < this.#countMax) return;
        this.#evictedEarly++;
      }
      this.#unlink(entry);
      this.#size--;
      if (++this.#headOffset < CHUNK) continue;
      this.#retired.push(this.#order.shift()!);
      this.#headOffset = 0;
      if (this.#order.length === 0) this.#tailOffset = CHUNK;
    }
  }

  #link(entry: number): void {
    if (this.#size * 5 > this.#table.length * 4 || entry + 1 >= this.#table.length * NUMBERS_PER_SLOT) {
      this.#rebuild(entry);
      return;
    }
    this.#put(entry);
  }

  #put(entry: number): void {
    const mask = this.#table.length - 1;
    let at = this.#word(entry, 0) & mask;
    while (this.#table[at] !== 0) at = (at + 1) & mask;
    this.#table[at] = this.#slotOf(entry);
  }

  /** Removes an entry from the table, if it is still there, and closes the hole. */
  #unlink(entry: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    const slot = this.#slotOf(entry);
    let hole = this.#word(entry, 0) & mask;
    while (table[hole] !== slot) {
      if (table[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#word(this.#entryAt(at), 0) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table[hole] = table[at]!;
      hole = at;
    }
    table[hole] = 0;
  }

  /** Makes the table large enough for a new entry, takes over what it linked, and links that entry. */
  #rebuild(entry: number): void {
    const [linked, linkedBits] = [this.#table, this.#numberBits];
    let { length } = linked;
    do length *= 2;
    while (entry + 1 >= length * NUMBERS_PER_SLOT);
    this.#table = new Uint32Array(length);
    this.#numberBits = (length * NUMBERS_PER_SLOT - 1) | 0;
    for (const slot of linked) if (slot !== 0) this.#put((slot & linkedBits) - 1);
    this.#put(entry);
  }
}

/** The number of which `word` holds the last 32 bits, not above `newest` and less than 2^32 below it. */
function behind(newest: number, word: number): number {
  return newest - ((newest - word) >>> 0);
}
