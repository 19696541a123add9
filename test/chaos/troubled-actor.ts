/** A ledger whose code goes wrong at a certain event: once, or every time. What goes wrong is in the event. */
import { openSync } from 'node:fs';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { defineActor } from '../../src/handlers/define-actor.js';

export type Trouble = 'spin' | 'reject' | 'throw-later' | 'exit' | 'heap' | 'array' | 'buffers';

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
        cause(data.trouble);
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

function cause(trouble: Trouble): void {
  switch (trouble) {
    case 'spin':
      for (const { port1 } = new MessageChannel(); ; ) receiveMessageOnPort(port1);
      break;
    case 'reject':
      void Promise.reject(new Error('nobody catches this'));
      break;
    case 'throw-later':
      setImmediate(() => {
        throw new Error('nobody catches this either');
      });
      break;
    case 'exit':
      process.exit(3);
      break;
    case 'heap':
      for (const held: object[] = []; ; ) held.push({ number: held.length, text: `entry ${held.length}` });
      break;
    case 'array':
      for (const held: number[][] = []; ; ) held.push(new Array<number>(1e7).fill(1.5));
      break;
    case 'buffers':
      for (const held: Buffer[] = []; held.length < 50; ) held.push(Buffer.alloc(1e6));
      throw new RangeError('no more buffers');
  }
}
