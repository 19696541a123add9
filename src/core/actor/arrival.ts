/** A decoded event on its way to being decided. */
import type { Event, RawEvent } from '../event/event.js';
import type { Rejection } from '../event/reject.js';
import type { Timed } from '../order/time-buffer.js';
import type { KeyEntry } from './keyed-state.js';

export interface Arrival extends Timed {
  /** As the handler sees it; nothing of ours hangs on it, because a handler may keep it in its state. */
  readonly event: Event;
  readonly isClamped: boolean;
  readonly raw: RawEvent;
  readonly entry: KeyEntry<Arrival>;
  /** Its slot in the position window, or −1 once it is stored as a parked event and the floor may pass it. */
  slot: number;
  /** Entry of the dedupe index; −1 without one, and once it is stored as a parked event. */
  seen: number;
  /** Why it could not be decoded: it only waits for an operator. */
  readonly rejection: Rejection | undefined;
}
