/** Ports of this machine that nobody listens on. */
import { createServer } from 'node:net';
import { MillraceError } from '../errors.js';

const attemptsMax = 5;

/** A port of 127.0.0.1 that was free a moment ago; another program may take it before its user does. */
export function freePort(): Promise<number> {
  return bind(0);
}

/**
 * Runs `start` on the given port, or on free ones until no other program was faster.
 * @throws MillraceError `PORT_IN_USE` when the given port is taken.
 */
export async function onPort<T>(given: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  if (given !== undefined) {
    // Asked before, because a stranger on the port could answer the questions meant for our server.
    await bind(given).catch((cause: unknown) => {
      throw new MillraceError('PORT_IN_USE', `port ${given} of 127.0.0.1 cannot be listened on`, { cause });
    });
    return start(given);
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      const isTaken = error instanceof MillraceError && error.code === 'PORT_IN_USE';
      if (!isTaken || attempt === attemptsMax) throw error;
    }
  }
}

function bind(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const bound = address !== null && typeof address === 'object' ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
