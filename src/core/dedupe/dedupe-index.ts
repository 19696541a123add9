/**
 * Which events were seen, by 128-bit fingerprint of (id, key), within a horizon of event time and count.
 *
 * Memory per id: 26 bytes of entry and 4.7 to 5.6 bytes of table (up to 9.3 below some 14,000 ids); no object per id.
 * Entries lie in chunks, in arrival order; the table (slot-table.ts) finds them by the first word of their fingerprint.
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
import { SlotTable } from './slot-table.js';

/** What was decided about an event. The numbers are stored: never reuse one. */
export const Decision = { waiting: 0, applied: 1, late: 2, dead: 3, skipped: 4, parked: 5 } as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

/** What the index knows about one id. */
export interface Seen {
  readonly streamSequence: number;
  /** Event time, epoch ms. */
  readonly time: number;
  /** Its last 13 bits. */
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

/** 32-bit words of a stored entry: 4 of fingerprint, 1 of body hash (28 bits, once all were kept) and decision (4), 1 of time, 1 of sequence. */
export const STORED_WORDS = 7;
const STORED_BODY = 4;
const STORED_TIME = 5;
const STORED_SEQUENCE = 6;

/** Words of an entry in memory, beside its mark: 4 of fingerprint, 1 of time, 1 of sequence. */
const ENTRY_WORDS = 6;
const TIME = 4;
const SEQUENCE = 5;
/** Entries lie in pairs, and behind them is a word with the marks of both. */
const PAIR_WORDS = 2 * ENTRY_WORDS + 1;

/**
 * A mark is 16 bits: 13 of body hash, 3 of decision. So of 8,192 bodies that changed under the same id one is not told
 * apart; it is a duplicate either way.
 */
const DECISION = 7;
const BODY_BITS = 13;

const SEED = 0x6d696c6c;
/** Entries of a chunk: a power of two, so that an entry's place is a shift and a mask. */
const CHUNK_BITS = 10;
const CHUNK = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK - 1;
const CHUNK_WORDS = (CHUNK / 2) * PAIR_WORDS;

/** Whether the index takes two bodies, by their hash, for one. */
export function isSameBody(one: number, other: number): boolean {
  return (one ^ other) << (32 - BODY_BITS) === 0;
}

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
  /** The entries that can be found, by the first word of their fingerprint. */
  readonly #table = new SlotTable((entry) => this.#word(entry, 0));
  #maxTime = 0;
  /** Event time before which the oldest entry stays, if the count lets it: the entry need not be looked at, far away as it is. */
  #keptUntil = 0;
  /** `#maxTime` when the entries were last aged. */
  #agedAt = 0;
  #maxSequence = 0;
  #evictedEarly = 0;
  /** The fingerprint of the last `find`, for the `insert` that follows it. */
  readonly #print = new Uint32Array(4);
  /** The entry that has it, inside the horizon or not, or −1. */
  #known = -1;

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
    return this.#chunks.length * CHUNK_WORDS * 4 + this.#table.bytes;
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
    if (this.#known >= 0) this.#unlink(this.#known);
    const entry = this.#allocate();
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const at = wordsAt(entry);
    for (let i = 0; i < 4; i++) words[at + i] = this.#print[i]!;
    // Stored modulo 2^32, as typed arrays do.
    words[at + TIME] = Math.max(time, this.#maxTime - DEDUPE_HORIZON_MS_MAX);
    words[at + SEQUENCE] = streamSequence;
    this.#setMark(entry, (bodyHash << 3) | Decision.waiting);
    this.#table.add(this.#print[0]!, entry);
    this.#known = entry;
    return entry;
  }

  decide(entry: number, decision: Decision): void {
    this.#setMark(entry, (this.#mark(entry) & ~DECISION) | decision);
  }

  /** Whether the entry was inserted with the same body hash, as `isSameBody` compares. */
  hasBody(entry: number, bodyHash: number): boolean {
    return isSameBody(this.#mark(entry) >>> 3, bodyHash);
  }

  seen(entry: number): Seen {
    const mark = this.#mark(entry);
    return {
      streamSequence: behind(this.#maxSequence, this.#word(entry, SEQUENCE)),
      time: this.#timeOf(entry),
      bodyHash: mark >>> 3,
      decision: (mark & DECISION) as Decision,
    };
  }

  /** Everything inside the horizon about an id, whatever its key. */
  findAll(id: string): Seen[] {
    murmur128(id, SEED);
    const [first, second] = murmurWords;
    const found: Seen[] = [];
    for (let place = this.#table.seek(first!); place >= 0; place = this.#table.seek(first!, place)) {
      const entry = this.#table.numberAt(place);
      const matches = this.#word(entry, 0) === first && this.#word(entry, 1) === second;
      if (matches && !this.#isExpired(entry)) found.push(this.seen(entry));
    }
    return found;
  }

  /** Copies an entry to `into` at word offset `at`, for storing. */
  copy(entry: number, into: Uint32Array, at: number): void {
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const from = wordsAt(entry);
    for (let i = 0; i < 4; i++) into[at + i] = words[from + i]!;
    const mark = this.#mark(entry);
    into[at + STORED_BODY] = ((mark >>> 3) << 4) | (mark & DECISION);
    into[at + STORED_TIME] = words[from + TIME]!;
    into[at + STORED_SEQUENCE] = words[from + SEQUENCE]!;
  }

  /** Makes room for so many ids at once, as far as the count bound goes. */
  reserve(ids: number): void {
    this.#table.reserve(Math.min(ids, this.#countMax));
  }

  /** Puts a stored entry back, as `copy` gave it when the newest time and sequence were these. */
  restore(words: Uint32Array, at: number, maxTime: number, maxSequence: number): void {
    for (let i = 0; i < 4; i++) this.#print[i] = words[at + i]!;
    this.#known = this.#lookUp();
    const body = words[at + STORED_BODY]!;
    const time = behind(maxTime, words[at + STORED_TIME]!);
    const sequence = behind(maxSequence, words[at + STORED_SEQUENCE]!);
    // Waiting events counted there too, and ids that they put outside the horizon stay outside.
    this.#advance(maxTime, maxSequence);
    this.decide(this.insert(time, sequence, body >>> 4), (body & 15) as Decision);
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
        if (this.#timeOf(entry) < oldest) this.#chunks[chunk]![wordsAt(entry) + TIME] = Math.max(oldest, 0);
    this.#agedAt = time;
  }

  #word(entry: number, offset: number): number {
    return this.#chunks[entry >> CHUNK_BITS]![wordsAt(entry) + offset]!;
  }

  #mark(entry: number): number {
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    return (words[markAt(entry)]! >>> ((entry & 1) << 4)) & 0xffff;
  }

  /** Takes the low 16 bits. */
  #setMark(entry: number, mark: number): void {
    const words = this.#chunks[entry >> CHUNK_BITS]!;
    const at = markAt(entry);
    const shift = (entry & 1) << 4;
    words[at] = (words[at]! & (0xffff0000 >>> shift)) | ((mark & 0xffff) << shift);
  }

  #isWaiting(entry: number): boolean {
    return (this.#mark(entry) & DECISION) === Decision.waiting;
  }

  #timeOf(entry: number): number {
    return behind(this.#maxTime, this.#word(entry, TIME));
  }

  #isExpired(entry: number): boolean {
    return this.#timeOf(entry) <= this.#maxTime - this.#horizonMs && !this.#isWaiting(entry);
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
    this.#known = entry;
    return entry >= 0 && this.#isExpired(entry) ? -1 : entry;
  }

  /** The entry with the fingerprint, or −1. */
  #lookUp(): number {
    const table = this.#table;
    const print = this.#print;
    const first = print[0]!;
    for (let place = table.seek(first); place >= 0; place = table.seek(first, place)) {
      const entry = table.numberAt(place);
      const words = this.#chunks[entry >> CHUNK_BITS]!;
      const from = wordsAt(entry);
      if (
        words[from] === first &&
        words[from + 1] === print[1] &&
        words[from + 2] === print[2] &&
        words[from + 3] === print[3]
      )
        return entry;
    }
    return -1;
  }

  #allocate(): number {
    if (this.#tailOffset === CHUNK) {
      let chunk = this.#free.pop();
      if (chunk === undefined) {
        chunk = this.#chunks.length;
        this.#chunks.push(new Uint32Array(CHUNK_WORDS));
      }
      this.#order.push(chunk);
      this.#tailOffset = 0;
    }
    this.#size++;
    return this.#order[this.#order.length - 1]! * CHUNK + this.#tailOffset++;
  }

  #evict(): void {
    if (this.#maxTime < this.#keptUntil && this.#size < this.#countMax) return;
    this.#keptUntil = 0;
    while (this.#size > 0) {
      const entry = this.#order[0]! * CHUNK + this.#headOffset;
      if (this.#isWaiting(entry)) return;
      if (!this.#isExpired(entry)) {
        if (this.#size < this.#countMax) {
          this.#keptUntil = this.#timeOf(entry) + this.#horizonMs;
          return;
        }
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

  /** Does nothing to an entry that another one with its fingerprint has taken the place of. */
  #unlink(entry: number): void {
    this.#table.remove(this.#word(entry, 0), entry);
  }
}

/** Where the words of an entry begin in its chunk. */
function wordsAt(entry: number): number {
  return ((entry & IN_CHUNK) >> 1) * PAIR_WORDS + (entry & 1) * ENTRY_WORDS;
}

/** The word of its chunk with the mark of an entry: in its lower half that of an even one. */
function markAt(entry: number): number {
  return ((entry & IN_CHUNK) >> 1) * PAIR_WORDS + 2 * ENTRY_WORDS;
}

/** The number of which `word` holds the last 32 bits, not above `newest` and less than 2^32 below it. */
function behind(newest: number, word: number): number {
  return newest - ((newest - word) >>> 0);
}
