/** Asking a server over a plain socket whether it is ready, again and again until a deadline. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.js';

const retryMs = 20;
const answerMs = 2_000;

/**
 * Repeats `probe` until it resolves. A condition of another process can only be asked for, hence the short pause
 * between two questions.
 * @throws Error with the last refusal when `withinMs` have passed, or the reason of `signal`.
 */
export async function untilReady(probe: () => Promise<void>, withinMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      await probe();
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`not ready within ${withinMs / 1000} s: ${messageOf(error)}`, { cause: error });
      }
    }
    await delay(retryMs, undefined, { signal });
  }
}

/**
 * Opens a connection, sends `hello`, and hands everything received so far to `read` until it answers true. `read` may
 * send more, or throw to refuse.
 */
export function converse(
  port: number,
  hello: string,
  read: (received: string, send: (text: string) => void) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    const end = (error?: unknown): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.setTimeout(answerMs, () => end(new Error('no answer')));
    socket.on('error', end);
    socket.on('close', () => end(new Error('connection closed')));
    socket.on('connect', () => hello !== '' && socket.write(hello));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      try {
        if (read(received, (text) => socket.write(text))) end();
      } catch (error) {
        end(error);
      }
    });
  });
}
