/** The lanes of a stream, one to each host: what is collected for them goes together, with how far the stream was read. */
import type { HostLink } from '../ports/threads.js';
import type { MainToHost } from '../protocol/messages.js';
import { Lane } from './lane.js';
import type { StreamHead } from './stream-head.js';

const MARK_MS = 50;

export class Lanes {
  readonly #stream: number;
  readonly #inFlightBytesMax: number;
  readonly #lanes = new Map<number, Lane>();
  #markedAt = Number.NEGATIVE_INFINITY;

  /** `stream`: its index. */
  constructor(stream: number, inFlightBytesMax: number) {
    this.#stream = stream;
    this.#inFlightBytesMax = inFlightBytesMax;
  }

  open(slot: number, link: HostLink): void {
    this.#lanes.set(slot, new Lane(link, this.#stream, this.#inFlightBytesMax));
  }

  /** Gives the lane that is gone. */
  close(slot: number): Lane | undefined {
    const lane = this.#lanes.get(slot);
    this.#lanes.delete(slot);
    return lane;
  }

  to(slot: number): Lane | undefined {
    return this.#lanes.get(slot);
  }

  postAll(message: MainToHost): void {
    for (const lane of this.#lanes.values()) lane.post(message);
  }

  /** Bytes collected or under way to the hosts. */
  get bytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes.values()) bytes += lane.bytes;
    return bytes;
  }

  /**
   * Sends what is collected: to hosts that are not busy, or to all with `force`. X4: one that gets nothing is told the time.
   * X6: with `force` also how far the stream was read, which its checkpoints then name, before it is read again. `now`: monotonic.
   */
  flush(head: StreamHead, now: number, force: boolean): void {
    const { anchor, ms, time, isAtEnd } = head;
    const markDue = now - this.#markedAt >= MARK_MS;
    for (const lane of this.#lanes.values()) {
      const empty = lane.flush(anchor, ms, force);
      const isBehind = anchor.sequence > lane.told;
      if (empty && (isBehind ? markDue || force : markDue && isAtEnd)) lane.mark(anchor, time);
    }
    if (markDue) this.#markedAt = now;
  }
}
