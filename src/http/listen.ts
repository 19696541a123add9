/** Puts a server on its port and takes it off again. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MillraceError, messageOf } from '../errors.js';

/** A server that listens. */
export interface Listening {
  /** Where it can be reached from this machine, without a slash at the end. */
  readonly url: string;
  /** Accepts nothing more, lets what is under way finish for a while, then ends it. */
  close(): Promise<void>;
}

const GRACE_MS = 5_000;

/** Throws PORT_IN_USE, or OPTIONS_INVALID where the address cannot be listened on; `option` is the section to name. */
export async function listen(server: Server, host: string, port: number, option: string): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port, option)));
    server.listen(port, host, () => resolve());
  });
  let closing: Promise<void> | undefined;
  // After the end was asked for, a connection must not wait for its next request.
  server.on('request', (_, response) => {
    response.once('close', () => {
      if (closing !== undefined) setImmediate(() => server.closeIdleConnections());
    });
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${reachable(host)}:${taken}`,
    close: () => {
      closing ??= closed(server);
      return closing;
    },
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number, option: string): MillraceError {
  if (error.code === 'EADDRINUSE')
    return new MillraceError('PORT_IN_USE', `${option}.port ${port} on ${host} is in use`, { cause: error });
  const message = `${option}.host ${host} and ${option}.port ${port} cannot be listened on: ${messageOf(error)}`;
  return new MillraceError('OPTIONS_INVALID', message, { cause: error, problems: [message] });
}
