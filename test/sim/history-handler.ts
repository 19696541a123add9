/**
 * The handler of the simulator. Its state is the history of its key: every applied event in order, so that whatever is
 * lost, doubled or moved shows in each stored state.
 */

import type { Handler } from '../../src/core/actor/handler.js';
import type { RejectCode } from '../../src/core/event/reject.js';

/** What an event asks of the handler. */
export type Deed = 'add' | 'emit' | 'throw' | 'mutate' | 'undefined';

export interface Data {
  /** Number of the published body; two bodies never share one. */
  readonly n: number;
  readonly deed: Deed;
}

/** Applied events in order, each as stream sequence and body number in one. */
export type History = readonly number[];

const BODIES = 100_000;

export const pack = (sequence: number, body: number): number => sequence * BODIES + body;
export const sequenceOf = (packed: number): number => Math.floor(packed / BODIES);
export const bodyOf = (packed: number): number => packed % BODIES;

export const historyHandler: Handler<History, Data> = {
  name: 'history',
  initial: () => [],
  apply(history, { data }, context) {
    switch (data.deed) {
      case 'throw':
        context.emit('out.never', data.n);
        throw new Error('refused');
      case 'mutate':
        (history as number[]).push(-1);
        return history;
      case 'undefined':
        return undefined as unknown as History;
      case 'emit':
        context.emit('out.first', outputData(context.streamSequence, data.n));
        context.emit('out.second', data.n);
        break;
    }
    return [...history, pack(context.streamSequence, data.n)];
  },
};

/** What the first output of an event carries. */
const outputData = (sequence: number, body: number): unknown => ({ sequence, body });

/** Why the handler refuses such an event, or undefined if it does not. */
export function refusalOf(deed: Deed): RejectCode | undefined {
  switch (deed) {
    case 'throw':
    case 'mutate':
      return 'HANDLER_THREW';
    case 'undefined':
      return 'STATE_INVALID';
    default:
      return undefined;
  }
}
