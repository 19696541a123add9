/**
 * Holds events until the watermark passes their time and gives them back in (time, stream sequence) order.
 *
 * Most events arrive in order even when some do not, so those that continue the newest time go to a queue
 * (O(1)); only the others go to a binary heap (O(log n) of the disordered ones). Release merges the two heads.
 *
 * Invariants
 * B1. Both the queue and the heap are ordered by (time, sequence); ties of time go to the lower sequence.
 * B2. `size` and `bytes` count exactly what is held.
 */

/** What the buffer needs to know of an event. */
export interface Timed {
  /** Event time, epoch ms. */
  readonly time: number;
  /** Stream sequence; unique. */
  readonly streamSequence: number;
  /** Size for the memory bound, bytes. */
  readonly bytes: number;
}

const before = (a: Timed, b: Timed): boolean =>
  a.time < b.time || (a.time === b.time && a.streamSequence < b.streamSequence);

export class TimeBuffer<E extends Timed> {
  #queue: (E | undefined)[] = [];
  #queueHead = 0;
  readonly #heap: E[] = [];
  #bytes = 0;

  get size(): number {
    return this.#queue.length - this.#queueHead + this.#heap.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The held event that is released next, or undefined. */
  peek(): E | undefined {
    const queued = this.#queue[this.#queueHead];
    const heaped = this.#heap[0];
    if (queued === undefined) return heaped;
    return heaped !== undefined && before(heaped, queued) ? heaped : queued;
  }

  push(event: E): void {
    this.#bytes += event.bytes;
    const last = this.#queue[this.#queue.length - 1];
    if (last === undefined || before(last, event)) {
      this.#queue.push(event);
      return;
    }
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Removes and returns the next event whose time is at or before `watermark`, or undefined. */
  shiftUpTo(watermark: number): E | undefined {
    const queued = this.#queue[this.#queueHead];
    const heaped = this.#heap[0];
    let next: E;
    if (heaped !== undefined && (queued === undefined || before(heaped, queued))) {
      if (heaped.time > watermark) return undefined;
      this.#popHeap();
      next = heaped;
    } else {
      if (queued === undefined || queued.time > watermark) return undefined;
      this.#queue[this.#queueHead++] = undefined;
      this.#compact();
      next = queued;
    }
    this.#bytes -= next.bytes;
    return next;
  }

  *[Symbol.iterator](): Iterator<E> {
    for (let i = this.#queueHead; i < this.#queue.length; i++) yield this.#queue[i]!;
    yield* this.#heap;
  }

  #compact(): void {
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead >= 1024 && this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  #popHeap(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, moved)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
  }
}
