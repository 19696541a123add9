/** A handler that writes down, per key, which events it has applied, in order; an event may ask to be refused. */
import { defineActor } from '../../src/handlers/define-actor.js';

/** Ids in the order of application; what is lost, doubled or moved shows. */
export type Journal = readonly string[];

/** With the option `mended` nothing is refused any more: the handler was corrected. */
export const journal = defineActor<Journal, { readonly refuse?: boolean } | null>(({ mended }) => ({
  name: 'journal',
  initial: () => [],
  apply(ids, { id, data }) {
    if (data?.refuse === true && mended !== true) throw new Error(`cannot apply ${id}`);
    return [...ids, id];
  },
}));
