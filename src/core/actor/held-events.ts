/**
 * Holds events until the watermark passes their time and gives them back in (time, stream sequence) order.
 *
 * Most events wait here for the settle window, so what is held are numbers in columns: objects that live so long are
 * what garbage collection is paid for. An `Arrival` is made when an event leaves.
 *
 * Most events arrive in order even when some do not, so those that continue the newest time go to a queue
 * (O(1)); only the others go to a binary heap (O(log n) of the disordered ones). Release merges the two heads.
 *
 * Invariants
 * B1. Both the queue and the heap are ordered by (time, sequence); ties of time go to the lower sequence.
 * B2. `size` and `bytes` count exactly what is held.
 * B3. A row that is free refers to nothing.
 */
import type { EventSource } from '../event/offered.js';
import { Arrival } from './arrival.js';

const ROWS_FIRST = 16;
/** A buffer of more rows than this is let go when nothing is held any more. */
const ROWS_KEPT = 4096;

export class HeldEvents {
  // Columns: row r of each belongs to one event.
  #times = new Float64Array(ROWS_FIRST);
  #sequences = new Float64Array(ROWS_FIRST);
  #slots = new Float64Array(ROWS_FIRST);
  #sizes = new Uint32Array(ROWS_FIRST);
  #seen = new Int32Array(ROWS_FIRST);
  #places = new Uint32Array(ROWS_FIRST);
  #clamped = new Uint8Array(ROWS_FIRST);
  /** Rows of their keys in the keyed state. */
  #keys = new Uint32Array(ROWS_FIRST);
  #sources: (EventSource | undefined)[] = [];
  /** Rows that were given back; the others are used from the first one on. */
  #free: number[] = [];
  #rows = 0;
  // A ring of rows: queue place n lives at n & mask.
  #queue = new Int32Array(ROWS_FIRST);
  #queueHead = 0;
  #queueTail = 0;
  #heap: number[] = [];
  #bytes = 0;

  get size(): number {
    return this.#queueTail - this.#queueHead + this.#heap.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Time of the event that is released next, +∞ if nothing is held. */
  get firstTime(): number {
    const row = this.#first();
    return row < 0 ? Number.POSITIVE_INFINITY : this.#times[row]!;
  }

  push(
    source: EventSource,
    place: number,
    key: number,
    time: number,
    streamSequence: number,
    bytes: number,
    slot: number,
    seen: number,
    isClamped: boolean,
  ): void {
    const row = this.#free.pop() ?? this.#add();
    this.#times[row] = time;
    this.#sequences[row] = streamSequence;
    this.#slots[row] = slot;
    this.#sizes[row] = bytes;
    this.#seen[row] = seen;
    this.#places[row] = place;
    this.#clamped[row] = isClamped ? 1 : 0;
    this.#keys[row] = key;
    this.#sources[row] = source;
    this.#bytes += bytes;
    if (this.#queueHead === this.#queueTail || this.#isBefore(this.#queueAt(this.#queueTail - 1), row))
      this.#enqueue(row);
    else this.#pushHeap(row);
  }

  /** Removes and returns the next event whose time is at or before `watermark`, or undefined. */
  shiftUpTo(watermark: number): Arrival | undefined {
    const row = this.#first();
    if (row < 0 || this.#times[row]! > watermark) return undefined;
    if (row === this.#heap[0]) this.#popHeap();
    else this.#queueHead++;
    const arrival = this.#arrival(row);
    this.#bytes -= arrival.bytes;
    this.#sources[row] = undefined;
    this.#free.push(row);
    if (this.#rows > ROWS_KEPT && this.size === 0) this.#shrink();
    return arrival;
  }

  /** Whether an event of the key with this row is held that comes before this time and sequence. Costs a look at all. */
  hasBefore(key: number, time: number, streamSequence: number): boolean {
    for (const held of this)
      if (held.row === key && (held.time < time || (held.time === time && held.streamSequence < streamSequence)))
        return true;
    return false;
  }

  /** What is held, in no order. */
  *[Symbol.iterator](): Iterator<Arrival> {
    for (let place = this.#queueHead; place < this.#queueTail; place++) yield this.#arrival(this.#queueAt(place));
    for (const row of this.#heap) yield this.#arrival(row);
  }

  #arrival(row: number): Arrival {
    return new Arrival(
      this.#sources[row]!,
      this.#places[row]!,
      this.#keys[row]!,
      this.#times[row]!,
      this.#sequences[row]!,
      this.#sizes[row]!,
      this.#slots[row]!,
      this.#seen[row]!,
      this.#clamped[row] === 1,
      undefined,
    );
  }

  /** Row of the event that is released next, −1 if nothing is held. */
  #first(): number {
    const heaped = this.#heap[0] ?? -1;
    if (this.#queueHead === this.#queueTail) return heaped;
    const queued = this.#queueAt(this.#queueHead);
    return heaped >= 0 && this.#isBefore(heaped, queued) ? heaped : queued;
  }

  #isBefore(a: number, b: number): boolean {
    const times = this.#times;
    return times[a]! < times[b]! || (times[a] === times[b] && this.#sequences[a]! < this.#sequences[b]!);
  }

  #queueAt(place: number): number {
    return this.#queue[place & (this.#queue.length - 1)]!;
  }

  #enqueue(row: number): void {
    const { length } = this.#queue;
    if (this.#queueTail - this.#queueHead === length) {
      const queue = new Int32Array(length * 2);
      for (let place = this.#queueHead; place < this.#queueTail; place++)
        queue[place & (length * 2 - 1)] = this.#queueAt(place);
      this.#queue = queue;
    }
    this.#queue[this.#queueTail++ & (this.#queue.length - 1)] = row;
  }

  #pushHeap(row: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(row);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(row, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = row;
  }

  #popHeap(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, moved)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
  }

  /** A row that was never used. */
  #add(): number {
    if (this.#rows === this.#times.length) this.#resize(this.#rows * 2);
    return this.#rows++;
  }

  #resize(rows: number): void {
    const kept = Math.min(rows, this.#rows);
    const moved = <A extends { set(from: A): void; subarray(from: number, to: number): A }>(into: A, from: A): A => {
      into.set(from.subarray(0, kept));
      return into;
    };
    this.#times = moved(new Float64Array(rows), this.#times);
    this.#sequences = moved(new Float64Array(rows), this.#sequences);
    this.#slots = moved(new Float64Array(rows), this.#slots);
    this.#sizes = moved(new Uint32Array(rows), this.#sizes);
    this.#seen = moved(new Int32Array(rows), this.#seen);
    this.#places = moved(new Uint32Array(rows), this.#places);
    this.#clamped = moved(new Uint8Array(rows), this.#clamped);
    this.#keys = moved(new Uint32Array(rows), this.#keys);
  }

  /** Nothing is held: what a burst has taken is given back. */
  #shrink(): void {
    this.#rows = 0;
    this.#resize(ROWS_FIRST);
    this.#sources = [];
    this.#free = [];
    this.#queue = new Int32Array(ROWS_FIRST);
    this.#queueHead = 0;
    this.#queueTail = 0;
    this.#heap = [];
  }
}
