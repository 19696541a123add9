/** The NATS connection: waits for the server, never gives up, and says so while it waits. */
import { readFileSync } from 'node:fs';
import type { Authenticator, ConnectionOptions, NatsConnection } from '@nats-io/nats-core';
import { credsAuthenticator, nkeyAuthenticator } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { MillraceError, messageOf } from '../../errors.js';
import type { LogLine } from '../../ports/log.js';

export interface NatsOptions {
  /** One or more server URLs, separated by commas. */
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
 * Connects, trying again until it succeeds or `signal` aborts. The first failure is reported by `onWaiting`.
 * Throws MillraceError NATS_UNREACHABLE when aborted, or at once where trying again cannot help (bad credentials).
 */
export async function connectNats(
  options: NatsOptions,
  name: string,
  log: LogLine,
  signal?: AbortSignal,
): Promise<NatsConnection> {
  const settings = connectionOptions(options, name);
  const servers = redact(options.url);
  for (let attempt = 0; ; attempt++) {
    try {
      const connection = await connect(settings);
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

function connectionOptions(options: NatsOptions, name: string): ConnectionOptions {
  const tls =
    options.tlsCa !== undefined || options.tlsCert !== undefined
      ? {
          ...(options.tlsCa === undefined ? {} : { caFile: options.tlsCa }),
          ...(options.tlsCert === undefined ? {} : { certFile: options.tlsCert }),
          ...(options.tlsKey === undefined ? {} : { keyFile: options.tlsKey }),
        }
      : undefined;
  const authenticator = authenticatorOf(options);
  return {
    servers: options.url.split(',').map((server) => server.trim()),
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
    ...(tls === undefined ? {} : { tls }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.password === undefined ? {} : { pass: options.password }),
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(authenticator === undefined ? {} : { authenticator }),
  };
}

/** Files are read at every connect, so that rotated credentials are picked up. */
function authenticatorOf(options: NatsOptions): Authenticator | undefined {
  const { credentials, nkeySeed } = options;
  if (credentials !== undefined) return (nonce) => credsAuthenticator(readFileSync(credentials))(nonce);
  if (nkeySeed !== undefined)
    return (nonce) => nkeyAuthenticator(new TextEncoder().encode(readFileSync(nkeySeed, 'utf8').trim()))(nonce);
  return undefined;
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

function redact(url: string): string {
  return url.replaceAll(/\/\/[^@/,]*@/g, '//…@');
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
