/** A ledger whose code goes wrong at a certain event: once, or every time. What goes wrong is in the event. */
import { openSync } from 'node:fs';
import { defineActor } from '../../src/handlers/define-actor.js';

export type Trouble = 'spin' | 'reject' | 'throw-later' | 'exit' | 'heap' | 'array';

interface Data {
  readonly type?: string;
  readonly amount: number;
  readonly trouble?: Trouble;
}

export const troubled = defineActor<{ readonly sum: number; readonly count: number }, Data>(
  ({ marker, always = false }) => ({
    name: 'troubled',
    initial: () => ({ sum: 0, count: 0 }),
    apply({ sum, count }, { data }) {
      if (data.trouble !== undefined && (always === true || isFirst(`${String(marker)}-${data.trouble}`)))
        causes[data.trouble]();
      return { sum: sum + data.amount, count: count + 1 };
    },
  }),
);

/** True once for all processes and threads. */
function isFirst(marker: string): boolean {
  try {
    openSync(marker, 'wx');
    return true;
  } catch {
    return false;
  }
}

const causes: Readonly<Record<Trouble, () => void>> = {
  spin: () => {
    for (let n = 0; n >= 0; n = (n + 1) % 1_000);
  },
  reject: () => void Promise.reject(new Error('nobody catches this')),
  'throw-later': () => {
    setImmediate(() => {
      throw new Error('nobody catches this either');
    });
  },
  exit: () => process.exit(3),
  heap: () => {
    for (const held: object[] = []; ; ) held.push({ number: held.length, text: `entry ${held.length}` });
  },
  array: () => {
    for (const held: number[][] = []; ; ) held.push(new Array<number>(1e7).fill(1.5));
  },
};
