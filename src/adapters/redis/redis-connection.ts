/**
 * The Redis connection: tries again for ever, never holds a command back, never crashes the process.
 *
 * How ioredis is set, and why
 * - `commandTimeout`: a frozen server answers nothing, and ioredis waits for ever by default.
 * - `enableOfflineQueue: false`: a command without a connection fails at once. Queued, it would be sent after the
 *   caller has given up, and behind commands that were called later.
 * - `maxRetriesPerRequest: 0`: a lost connection fails what is under way at once, so nothing is sent a second time
 *   behind the caller's back. The outcome of such a command is unknown: it may have run. To switch off only
 *   `autoResendUnfulfilledCommands` would leave those promises open until their timeout.
 * - `socketTimeout`: a half-open connection is dropped; the kernel alone would keep it for a quarter of an hour.
 *   Commands that a frozen server still finds in the old connection run late, even after the caller's next attempt.
 *   So only reads and writes that name what they expect to find (the scripts) may go over this connection.
 * - `enableReadyCheck: false`: a server that loads its data answers LOADING, which says more than "not connected",
 *   and the user needs no right to INFO.
 * - `protocol: 2`: nothing of the newer one is used, and a server without it echoes the password of HELLO in its error.
 * - `reconnectOnError` on READONLY: after a failover by name the same name leads to the new primary.
 */
import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { MillraceError } from '../../errors.js';
import type { LogLine } from '../../ports/log.js';
import { noteProblem, noteReady, problemOf, serverOf, watchRedis } from './redis-errors.js';

export interface RedisConnectionOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. Credentials are percent-encoded. */
  readonly url: string;
  /** How long one command may take, ms. */
  readonly commandTimeoutMs: number;
  /** Certificates and the like for TLS; turns TLS on. */
  readonly tls?: ConnectionOptions | undefined;
  /** Name of the connection in CLIENT LIST. */
  readonly name?: string | undefined;
  readonly log?: LogLine | undefined;
}

const RETRY_MS_FIRST = 50;
const RETRY_MS_MAX = 2_000;
const CONNECT_MS_MIN = 2_000;
const KEEP_ALIVE_MS = 10_000;

/**
 * Starts to connect and returns at once; until the server answers, every command fails with `REDIS_UNREACHABLE`.
 * Whoever wants to wait does so with `untilRedisReady`.
 * @throws MillraceError `OPTIONS_INVALID` if the URL cannot be read; it is not repeated in the message.
 */
export function connectRedis(options: RedisConnectionOptions): Redis {
  const { isTls, ...target } = parseRedisUrl(options.url);
  const { commandTimeoutMs, name, log } = options;
  const redis = new Redis({
    ...target,
    ...(isTls || options.tls !== undefined ? { tls: options.tls ?? {} } : {}),
    ...(name === undefined ? {} : { connectionName: name }),
    lazyConnect: true,
    protocol: 2,
    commandTimeout: commandTimeoutMs,
    // Longer than the command's, so that a slow command is a slow command and not a lost connection.
    socketTimeout: 2 * commandTimeoutMs,
    connectTimeout: Math.max(commandTimeoutMs, CONNECT_MS_MIN),
    keepAlive: KEEP_ALIVE_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableReadyCheck: false,
    // Needs a right of its own, and tells the server nothing that the name does not.
    disableClientInfo: true,
    retryStrategy: (attempt) => retryMs(attempt),
    reconnectOnError: (error) => /\bREADONLY\b/.test(error.message),
  });
  const server = `${target.host}:${target.port}`;
  watchRedis(redis, server, target.password);
  // Without a listener an 'error' event would be printed with the arguments of AUTH in it.
  redis.on('error', (error: unknown) => {
    const problem = noteProblem(redis, error);
    if (problem !== undefined) log?.('warn', 'redis.waiting', { server, error: problem });
  });
  redis.on('ready', () => {
    noteReady(redis);
    log?.('info', 'redis.connected', { server });
  });
  redis.on('close', () => log?.('debug', 'redis.disconnected', { server }));
  // The outcome arrives as events; the promise says the same once more.
  redis.connect().catch(() => undefined);
  return redis;
}

/**
 * Waits until the connection stands; whether Redis is of use is `checkRedis`'s question.
 * @throws MillraceError `REDIS_UNREACHABLE` with the last reason after `ms` or when `signal` aborts; the connection goes
 * on trying.
 */
export function untilRedisReady(redis: Redis, ms: number, signal?: AbortSignal): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      redis.off('ready', ready);
      signal?.removeEventListener('abort', giveUp);
    };
    const ready = (): void => {
      end();
      resolve();
    };
    const giveUp = (): void => {
      end();
      const reason = problemOf(redis) ?? `no answer within ${ms} ms`;
      reject(new MillraceError('REDIS_UNREACHABLE', `Redis at ${serverOf(redis)}: ${reason}`));
    };
    const timer = setTimeout(giveUp, ms);
    redis.once('ready', ready);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted === true) giveUp();
  });
}

/** Ends the connection for good: after the answers of what is under way, or at once where none can come. */
export async function closeRedis(redis: Redis): Promise<void> {
  // QUIT fails when there is no connection, and times out on a frozen server.
  await redis.quit().catch(() => redis.disconnect());
}

/** Half to all of an exponentially growing pause, so that nodes do not come back in step. */
function retryMs(attempt: number): number {
  const ms = Math.min(RETRY_MS_FIRST * 2 ** Math.min(attempt - 1, 10), RETRY_MS_MAX);
  return ms / 2 + (Math.random() * ms) / 2;
}

interface RedisTarget {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly isTls: boolean;
}

function parseRedisUrl(text: string): RedisTarget {
  try {
    const url = new URL(text);
    const isTls = url.protocol === 'rediss:';
    const db = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1];
    if ((url.protocol === 'redis:' || isTls) && url.hostname !== '' && db !== undefined && url.search === '') {
      return {
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(url.port || 6379),
        ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
        ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
        db: Number(db),
        isTls,
      };
    }
  } catch {
    // Said below: the reasons of URL and decodeURIComponent repeat the text, password and all.
  }
  throw new MillraceError(
    'OPTIONS_INVALID',
    'the Redis URL must look like redis://user:password@host:6379/0 or rediss://host, credentials percent-encoded',
  );
}
