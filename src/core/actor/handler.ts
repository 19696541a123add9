/** What a user writes: a deterministic fold of a key's events into its state. */
import type { Event } from '../event/event.js';

/** What `apply` may use besides its arguments. Nothing here reads a clock or the world. */
export interface ApplyContext {
  readonly partition: number;
  /** Stream sequence of the event. */
  readonly streamSequence: number;
  /** Sends `data` (JSON) to `subject` after the checkpoint that contains this event, under an id that replays repeat. */
  emit(subject: string, data: unknown): void;
}

/**
 * A handler: `apply` is synchronous and deterministic, and returns the next state.
 *
 * State is plain JSON data and is frozen once returned: return a new object, do not change the old one. What
 * `apply` throws turns the event into a dead letter and leaves the state as it was.
 */
export interface Handler<S = unknown, D = unknown> {
  readonly name: string;
  /** State of a key before its first event. */
  initial(key: string): S;
  apply(state: S, event: Event<D>, context: ApplyContext): S;
}
