/** Ports for a node of `dev`: the usual one, or the next that is free. */
import { createServer } from 'node:net';
import { MillraceError } from '../../errors.js';

const PORTS_TRIED = 100;

/** The first port from `from` on that nobody listens on and that is not in `taken`. */
export async function nextFreePort(host: string, from: number, taken: readonly number[] = []): Promise<number> {
  const last = Math.min(from + PORTS_TRIED - 1, 65_535);
  for (let port = from; port <= last; port++) {
    if (!taken.includes(port) && (await isFree(host, port))) return port;
  }
  throw new MillraceError('PORT_IN_USE', `no port from ${from} to ${last} of ${host} is free`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
