/** An event that was taken in, on its way to being decided. */
import type { Event, RawEvent } from '../event/event.js';
import type { EventSource } from '../event/offered.js';
import type { Rejection } from '../event/reject.js';
import type { Timed } from '../order/time-buffer.js';
import type { KeyEntry } from './keyed-state.js';

export class Arrival implements Timed {
  readonly entry: KeyEntry<Arrival>;
  readonly time: number;
  readonly streamSequence: number;
  readonly bytes: number;
  readonly isClamped: boolean;
  /** Why it could not be decoded: it only waits for an operator. */
  readonly rejection: Rejection | undefined;
  /** Its slot in the position window, or −1 once it is stored as a parked event and the floor may pass it. */
  slot: number;
  /** Entry of the dedupe index; −1 without one, and once it is stored as a parked event. */
  seen: number;
  #source: EventSource;

  constructor(
    source: EventSource,
    entry: KeyEntry<Arrival>,
    time: number,
    streamSequence: number,
    bytes: number,
    slot: number,
    seen: number,
    isClamped: boolean,
    rejection: Rejection | undefined,
  ) {
    this.entry = entry;
    this.time = time;
    this.streamSequence = streamSequence;
    this.bytes = bytes;
    this.isClamped = isClamped;
    this.rejection = rejection;
    this.slot = slot;
    this.seen = seen;
    this.#source = source;
  }

  /** As the handler sees it. */
  get event(): Event {
    return this.#source.event;
  }

  get raw(): RawEvent {
    return this.#source.raw;
  }

  /** It will wait long: its content must not keep the bytes of a whole batch in memory. */
  detach(): void {
    const { event, raw } = this.#source;
    this.#source = { event, raw };
  }

  /** The same event in the same place, with other content. */
  edited(source: EventSource, rejection: Rejection | undefined): Arrival {
    const { entry, time, streamSequence, bytes, slot, seen, isClamped } = this;
    return new Arrival(source, entry, time, streamSequence, bytes, slot, seen, isClamped, rejection);
  }
}
