/** `status`: the latest state per message id, the STATUS table. */
import { defineActor } from './define-actor.js';

/** State of a key: the data of its newest event. */
export interface Status {
  /** `type` of that event, or null. */
  readonly type: string | null;
  /** Event time, epoch ms. */
  readonly at: number;
  readonly data: unknown;
}

export const status = defineActor<Status | null, unknown>({
  name: 'status',
  initial: () => null,
  // An older event that a policy lets through must not overwrite a newer one.
  apply: (state, event) =>
    state !== null && state.at > event.time ? state : { type: event.type ?? null, at: event.time, data: event.data },
});
