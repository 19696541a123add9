/** The NATS connection: waits for the server, never gives up, and says so while it waits. */
import { readFileSync } from 'node:fs';
import type { Authenticator, ConnectionOptions, NatsConnection, TlsOptions } from '@nats-io/nats-core';
import { credsAuthenticator, nkeyAuthenticator } from '@nats-io/nats-core';
import { MillraceError, messageOf } from '../../errors.js';
import { natsServers, redactUrl } from '../../options/urls.js';
import type { LogLine } from '../../ports/log.js';
import { connectCutting } from './cutting-transport.js';

export interface NatsOptions {
  /** One or more server URLs with commas between: `nats://`, or `tls://` to refuse servers without TLS. */
  readonly url: string;
  /** Path of a .creds file. */
  readonly credentials?: string | undefined;
  /** Path of a file that holds an nkey seed. */
  readonly nkeySeed?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Begins our inboxes, for servers that give each user inboxes of its own; `_INBOX` by default. */
  readonly inboxPrefix?: string | undefined;
}

const ATTEMPT_MS = 5_000;
const RETRY_MS_MAX = 5_000;

/**
 * Connects, trying again until it succeeds or `signal` aborts. The first failure is logged.
 * Throws MillraceError NATS_UNREACHABLE when aborted, or at once where trying again cannot help (bad credentials).
 */
export async function connectNats(
  options: NatsOptions,
  name: string,
  log: LogLine,
  signal?: AbortSignal,
): Promise<NatsConnection> {
  const settings = connectionOptions(options, name, log);
  const servers = redactUrl(options.url);
  for (let attempt = 0; ; attempt++) {
    try {
      const connection = await connectCutting(settings);
      watch(connection, log);
      log('info', 'nats.connected', { server: connection.getServer(), version: connection.info?.version });
      return connection;
    } catch (error) {
      const text = messageOf(error);
      if (/authorization|authentication|permission/i.test(text))
        throw new MillraceError('NATS_REFUSED', `nats-server at ${servers} refuses the credentials: ${text}`);
      if (attempt === 0) log('warn', 'nats.waiting', { servers, error: text });
      const aborted = await pause(Math.min(250 * 2 ** Math.min(attempt, 6), RETRY_MS_MAX), signal);
      if (aborted) throw new MillraceError('NATS_UNREACHABLE', `no nats-server answers at ${servers}: ${text}`);
    }
  }
}

function connectionOptions(options: NatsOptions, name: string, log: LogLine): ConnectionOptions {
  // The library takes addresses only: of `nats://user:password@host` it would make a host name.
  const { servers, tls, ...credentials } = natsServers(options.url);
  const user = options.user ?? credentials.user;
  const password = options.password ?? credentials.password;
  const token = options.token ?? credentials.token;
  const authenticator = authenticatorOf(options, log);
  return {
    servers: [...servers],
    name,
    timeout: ATTEMPT_MS,
    // The library's default is to give up for good after ten attempts.
    maxReconnectAttempts: -1,
    // Its default gives up for good when credentials are refused twice; they may be rotated and come back.
    ignoreAuthErrorAbort: true,
    // A stack for every request that might time out costs more than the request.
    noAsyncTraces: true,
    reconnectTimeWait: 500,
    reconnectJitter: 250,
    pingInterval: 5_000,
    maxPingOut: 2,
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    ...(tls || options.tlsCa !== undefined || options.tlsCert !== undefined ? { tls: tlsOptions(options) } : {}),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(authenticator === undefined ? {} : { authenticator }),
  };
}

function tlsOptions({ tlsCa, tlsCert, tlsKey }: NatsOptions): TlsOptions {
  return {
    ...(tlsCa === undefined ? {} : { caFile: tlsCa }),
    ...(tlsCert === undefined ? {} : { certFile: tlsCert }),
    ...(tlsKey === undefined ? {} : { keyFile: tlsKey }),
  };
}

function authenticatorOf({ credentials, nkeySeed }: NatsOptions, log: LogLine): Authenticator | undefined {
  if (credentials !== undefined) return fromFile(credentials, credsAuthenticator, log);
  if (nkeySeed !== undefined) return fromFile(nkeySeed, (seed) => nkeyAuthenticator(trimmed(seed)), log);
  return undefined;
}

/** The file is read at every connect, so that rotated credentials are picked up; while it is unusable the last ones stay. */
function fromFile(path: string, make: (content: Uint8Array) => Authenticator, log: LogLine): Authenticator {
  let last: Authenticator;
  try {
    last = make(readFileSync(path));
    last('nonce');
  } catch (cause) {
    throw new MillraceError('NATS_REFUSED', unusable(path, cause), { cause });
  }
  return (nonce) => {
    try {
      const next = make(readFileSync(path));
      const answer = next(nonce);
      last = next;
      return answer;
    } catch (error) {
      // Thrown on, it would close the connection for good.
      log('warn', 'nats.error', { error: `${unusable(path, error)}; the last ones are used` });
      return last(nonce);
    }
  };
}

function unusable(path: string, cause: unknown): string {
  return `the credentials in ${path} cannot be used: ${messageOf(cause)}`;
}

function trimmed(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).trim());
}

function watch(connection: NatsConnection, log: LogLine): void {
  const follow = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') log('warn', 'nats.disconnected', { server: status.server });
      else if (status.type === 'reconnect') log('info', 'nats.reconnected', { server: status.server });
      else if (status.type === 'error') log('error', 'nats.error', { error: messageOf(status.error) });
    }
  };
  follow().catch((error: unknown) => log('error', 'nats.error', { error: messageOf(error) }));
}

/** True if the signal aborted before or during the pause. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(true);
    const abort = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(false);
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
