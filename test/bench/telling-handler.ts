/** The ledger, which tells other threads when it has applied all events of a run: reports come only twice a second. */
import { BroadcastChannel } from 'node:worker_threads';
import { defineActor } from '../../src/handlers/define-actor.js';
import { type Account, ledger, type Movement } from '../../src/handlers/ledger.js';

/** Where it is told. */
export const TOLD = 'millrace-bench-applied';

export const telling = defineActor<Account, Movement>((options) => {
  const left = new Set(Array.from({ length: Number(options.events) }, (_, i) => `hot-${String(options.run)}-${i}`));
  const channel = new BroadcastChannel(TOLD);
  channel.unref();
  const handler = ledger.create({});
  return {
    name: 'telling',
    initial: (key) => handler.initial(key),
    apply(state, event, context) {
      const next = handler.apply(state, event, context);
      if (left.delete(event.id) && left.size === 0) channel.postMessage('all');
      return next;
    },
  };
});
