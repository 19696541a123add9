/**
 * An event on its way to its actor. What decides when and whether it is applied is there at once; its content is made
 * when somebody asks for it, which for most events is when they are applied.
 */
import { bodyHash, murmur128 } from '../key/hash.js';
import type { Event, RawEvent } from './event.js';

/** Where the content of events is, each under its place. */
export interface EventSource {
  /** As the handler sees it; nothing of ours hangs on it, because a handler may keep it in its state. */
  eventAt(place: number): Event;
  rawAt(place: number): RawEvent;
}

/** What an actor must know of an event when it comes. Valid during the call only; `source` stays valid. */
export interface Offered {
  readonly streamSequence: number;
  /** Epoch ms, as are the other times. */
  readonly streamTime: number;
  readonly time: number;
  readonly sequence: number | undefined;
  /** Length of the body, for the memory bound. */
  readonly size: number;
  readonly id: string;
  readonly key: string;
  /** What `keys` answers for its key. */
  find(keys: KeyLookup): number;
  /** Leaves the 128-bit hash of its id in `murmurWords`. */
  hashId(seed: number): void;
  /** `bodyHash` of its body. */
  hashBody(): number;
  /** Its content, there and under this place. */
  readonly source: EventSource;
  readonly place: number;
}

/** Finds the row of a key, by text or by the bytes of text in ASCII; −1 if it has none. */
export interface KeyLookup {
  rowOf(key: string): number;
  rowOfBytes(bytes: Uint8Array, from: number, to: number): number;
}

/** An event that was decoded as a whole when it came. */
export class DecodedEvent implements Offered, EventSource {
  readonly raw: RawEvent;
  readonly event: Event;

  constructor(raw: RawEvent, event: Event) {
    this.raw = raw;
    this.event = event;
  }

  get streamSequence(): number {
    return this.raw.streamSequence;
  }

  get streamTime(): number {
    return this.raw.streamTime;
  }

  get time(): number {
    return this.event.time;
  }

  get sequence(): number | undefined {
    return this.event.sequence;
  }

  get size(): number {
    return this.raw.body.length;
  }

  get id(): string {
    return this.event.id;
  }

  get key(): string {
    return this.event.key;
  }

  find(keys: KeyLookup): number {
    return keys.rowOf(this.event.key);
  }

  hashId(seed: number): void {
    murmur128(this.event.id, seed);
  }

  hashBody(): number {
    return this.raw.bodyHash ?? bodyHash(this.raw.body);
  }

  get source(): EventSource {
    return this;
  }

  get place(): number {
    return 0;
  }

  eventAt(): Event {
    return this.event;
  }

  rawAt(): RawEvent {
    return this.raw;
  }
}
