/** An event that was taken in and has come due, on its way to being decided. */
import type { Event, RawEvent } from '../event/event.js';
import type { EventSource } from '../event/offered.js';
import { DecodedEvent } from '../event/offered.js';
import type { Rejection } from '../event/reject.js';

export class Arrival {
  /** Row of its key in the keyed state. */
  readonly row: number;
  /** Event time, epoch ms. */
  readonly time: number;
  readonly streamSequence: number;
  /** Size for the memory bound. */
  readonly bytes: number;
  readonly isClamped: boolean;
  /** Why it could not be decoded: it only waits for an operator. */
  readonly rejection: Rejection | undefined;
  /** Its slot in the position window, or −1 once it is stored as a parked event and the floor may pass it. */
  slot: number;
  /** Entry of the dedupe index; −1 without one, and once it is stored as a parked event. */
  seen: number;
  #source: EventSource;
  #place: number;
  #event: Event | undefined;

  constructor(
    source: EventSource,
    place: number,
    row: number,
    time: number,
    streamSequence: number,
    bytes: number,
    slot: number,
    seen: number,
    isClamped: boolean,
    rejection: Rejection | undefined,
  ) {
    this.row = row;
    this.time = time;
    this.streamSequence = streamSequence;
    this.bytes = bytes;
    this.isClamped = isClamped;
    this.rejection = rejection;
    this.slot = slot;
    this.seen = seen;
    this.#source = source;
    this.#place = place;
  }

  /** As the handler sees it; asked twice, it is the same object. */
  get event(): Event {
    this.#event ??= this.#source.eventAt(this.#place);
    return this.#event;
  }

  get raw(): RawEvent {
    return this.#source.rawAt(this.#place);
  }

  /** It will wait long: its content must not keep the bytes of a whole batch in memory. */
  detach(): void {
    this.#source = new DecodedEvent(this.raw, this.event);
    this.#place = 0;
  }

  /** The same event in the same place of its key's order, with other content. */
  edited(raw: RawEvent, event: Event, rejection: Rejection | undefined): Arrival {
    const { row, time, streamSequence, bytes, slot, seen, isClamped } = this;
    const source = new DecodedEvent(raw, event);
    return new Arrival(source, 0, row, time, streamSequence, bytes, slot, seen, isClamped, rejection);
  }
}
