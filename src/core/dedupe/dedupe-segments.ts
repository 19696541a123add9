/**
 * The stored form of the dedupe index: numbered segments of decided ids, written as deltas by the same commit
 * that writes state and position.
 *
 * A commit appends the ids decided since the last one. A segment below `OPEN_IDS_MAX` ids is written again with
 * more ids, so that a slow partition does not leave thousands of tiny ones. Segments whose ids are all outside
 * the horizon are dropped.
 *
 * Layout, little endian: u8 version (1), u8[3] zero, u32 ids, f64 newest event time, f64 newest stream sequence,
 * then 28 bytes per id as `DedupeIndex.copy` gives them.
 */
import type { DedupeIndex } from './dedupe-index.js';
import { AGEING_MS, STORED_WORDS } from './dedupe-index.js';

const VERSION = 1;
const HEADER_BYTES = 24;
const OPEN_IDS_MAX = 256;
const SEGMENT_IDS_MAX = 16_384;

/** A segment as it is stored. */
export interface StoredSegment {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** What one commit changes of the stored index. */
export interface DedupeDelta {
  readonly put: readonly StoredSegment[];
  readonly drop: readonly number[];
}

interface Segment {
  readonly number: number;
  /** Newest event time of the index when the segment was begun, epoch ms; its times are 32 bits from there on. */
  readonly begun: number;
  ids: number;
  maxTime: number;
}

export class DedupeSegments {
  readonly #horizonMs: number;
  readonly #countMax: number;
  readonly #segments: Segment[] = [];
  /** Words of the newest segment while it is small enough to be written again. */
  #open: Uint32Array | undefined;
  #ids = 0;
  #next = 1;

  constructor(horizonMs: number, countMax: number) {
    this.#horizonMs = horizonMs;
    this.#countMax = countMax;
  }

  /** Fills `index` from stored segments. Returns what is wrong with one, or undefined. */
  restore(stored: readonly StoredSegment[], index: DedupeIndex): string | undefined {
    index.reserve(stored.reduce((ids, { bytes }) => ids + Math.ceil(bytes.length / (STORED_WORDS * 4)), 0));
    for (const { number, bytes } of [...stored].sort((a, b) => a.number - b.number)) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (bytes.length < HEADER_BYTES || view.getUint8(0) !== VERSION) return `segment ${number} has another format`;
      const ids = view.getUint32(4, true);
      if (bytes.length !== HEADER_BYTES + ids * STORED_WORDS * 4) return `segment ${number} is cut`;
      const maxTime = view.getFloat64(8, true);
      const maxSequence = view.getFloat64(16, true);
      const words = new Uint32Array(ids * STORED_WORDS);
      for (let i = 0; i < words.length; i++) words[i] = view.getUint32(HEADER_BYTES + i * 4, true);
      for (let i = 0; i < ids; i++) index.restore(words, i * STORED_WORDS, maxTime, maxSequence);
      index.recycle();
      this.#segments.push({ number, begun: maxTime, ids, maxTime });
      this.#ids += ids;
      this.#next = number + 1;
    }
    return undefined;
  }

  /** The change that stores these decided entries. Call once per commit that will be sent. */
  delta(index: DedupeIndex, entries: readonly number[]): DedupeDelta {
    const put: StoredSegment[] = [];
    const newest = this.#segments[this.#segments.length - 1];
    if (newest !== undefined && index.maxTime - newest.begun > AGEING_MS) this.#open = undefined;
    for (let from = 0; from < entries.length; ) {
      const open = this.#open;
      const segment =
        open === undefined ? { number: this.#next++, begun: index.maxTime, ids: 0, maxTime: 0 } : this.#segments.pop()!;
      const room = open === undefined ? SEGMENT_IDS_MAX : OPEN_IDS_MAX - segment.ids;
      const count = Math.min(room, entries.length - from);
      const words = new Uint32Array((segment.ids + count) * STORED_WORDS);
      if (open !== undefined) words.set(open);
      for (let i = 0; i < count; i++) index.copy(entries[from + i]!, words, (segment.ids + i) * STORED_WORDS);
      from += count;
      segment.ids += count;
      segment.maxTime = index.maxTime;
      this.#ids += count;
      this.#segments.push(segment);
      this.#open = segment.ids < OPEN_IDS_MAX ? words : undefined;
      put.push({ number: segment.number, bytes: encodeSegment(words, segment.ids, index) });
    }
    index.recycle();
    return { put, drop: this.#drop(index.maxTime) };
  }

  #drop(maxTime: number): number[] {
    const dropped: number[] = [];
    while (this.#segments.length > 1) {
      const oldest = this.#segments[0]!;
      if (oldest.maxTime > maxTime - this.#horizonMs && this.#ids - oldest.ids < this.#countMax) break;
      this.#segments.shift();
      this.#ids -= oldest.ids;
      dropped.push(oldest.number);
    }
    return dropped;
  }
}

function encodeSegment(words: Uint32Array, ids: number, index: DedupeIndex): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + words.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint32(4, ids, true);
  view.setFloat64(8, index.maxTime, true);
  view.setFloat64(16, index.maxSequence, true);
  for (let i = 0; i < words.length; i++) view.setUint32(HEADER_BYTES + i * 4, words[i]!, true);
  return bytes;
}
