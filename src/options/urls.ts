/** URLs of servers: what is accepted, what they say about credentials, and how they are printed without them. */
import type { Kind } from './kind.js';
import { accept, refuse } from './kind.js';

/**
 * `text` without the credentials of any URL in it. Errs on the side of hiding: of what stands between a `://` and the
 * last `@` before the next one, nothing is left.
 */
export function redactUrl(text: string): string {
  return text
    .replaceAll(/(^|:\/\/)(?:(?!:\/\/).)*@/gs, '$1***@')
    .replaceAll(/([?&](?:user|username|pass|password|token|secret|auth)=)[^&,\s]*/gi, '$1***');
}

/** What a list of NATS URLs says; nats.js itself takes servers without credentials and scheme. */
export interface NatsServers {
  /** `host:port` each. */
  readonly servers: readonly string[];
  /** A `tls://` URL is among them. */
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

/** Servers and credentials of `options.nats.url`: `nats://user:password@host:4222` or `nats://token@host`. */
export function natsServers(list: string): NatsServers {
  const urls = list.split(',').map((part) => new URL(part));
  const named = urls.find(hasCredentials);
  const user = named === undefined ? undefined : decodeURIComponent(named.username);
  const password = named?.password ? decodeURIComponent(named.password) : undefined;
  return {
    servers: urls.map((url) => `${url.hostname}:${url.port || '4222'}`),
    tls: urls.some((url) => url.protocol === 'tls:'),
    user: password === undefined ? undefined : user,
    password,
    token: password === undefined ? user : undefined,
  };
}

/** True if one of the URLs carries credentials. */
export function hasUrlCredentials(list: string): boolean {
  return list.split(',').some((part) => hasCredentials(new URL(part)));
}

const hasCredentials = (url: URL): boolean => url.username !== '' || url.password !== '';

const credentialsOf = (url: URL): string => `${url.username}:${url.password}`;

/** One or more NATS URLs, comma between them; `host:4222` is short for `nats://host:4222`. */
export const natsUrls: Kind<string, string> = {
  suffix: '',
  placeholder: 'url',
  allowed: 'URL, or several with commas between',
  schema: { type: 'string' },
  read(raw) {
    const parts = typeof raw === 'string' ? raw.split(',').map((part) => part.trim()) : [];
    const full = parts.map((part) => (part.includes('://') ? part : `nats://${part}`));
    const urls = full.map((part) => urlOf(part, ['nats:', 'tls:']));
    if (urls.length === 0 || urls.some((url) => url === undefined || /[^/]/.test(url.pathname + url.search)))
      return refuse(
        'must be a URL such as nats://127.0.0.1:4222, or several with commas between; a password in it is percent-encoded',
      );
    const known = new Set((urls as URL[]).filter(hasCredentials).map(credentialsOf));
    if (known.size > 1) return refuse('must not name different credentials; all servers get the same ones');
    return accept(full.join(','));
  },
  print: redactUrl,
  echo: redactUrl,
};

/** One Redis URL; a path is the number of the database. */
export const redisUrl: Kind<string, string> = {
  suffix: '',
  placeholder: 'url',
  allowed: 'URL',
  schema: { type: 'string' },
  read(raw) {
    const url = typeof raw === 'string' ? urlOf(raw, ['redis:', 'rediss:']) : undefined;
    if (url === undefined || !/^(\/\d{0,4})?$/.test(url.pathname) || url.search.includes('@'))
      return refuse(
        'must be a URL such as redis://127.0.0.1:6379 or rediss://host:6380/1; a password in it is percent-encoded',
      );
    return accept(raw as string);
  },
  print: redactUrl,
  echo: redactUrl,
};

/** One Postgres URL; parameters such as `?sslmode=verify-full` are those of libpq. */
export const postgresUrl: Kind<string, string> = {
  suffix: '',
  placeholder: 'url',
  allowed: 'URL',
  schema: { type: 'string' },
  read(raw) {
    const url = typeof raw === 'string' ? urlOf(raw, ['postgres:', 'postgresql:']) : undefined;
    if (url === undefined || !/^(\/[^/]*)?$/.test(url.pathname))
      return refuse('must be a URL such as postgres://user@host:5432/database; a password in it is percent-encoded');
    return accept(raw as string);
  },
  print: redactUrl,
  echo: redactUrl,
};

const SQLITE = /^sqlite:(?!\/\/)(.+)$/s;

/** A database: `sqlite:` and a path, or a Postgres URL. */
export const sqlUrl: Kind<string, string> = {
  suffix: '',
  placeholder: 'url',
  allowed: 'URL',
  schema: { type: 'string' },
  read(raw) {
    if (typeof raw === 'string' && SQLITE.test(raw) && !raw.includes('\0')) return accept(raw);
    if (postgresUrl.read(raw).kind === 'value') return accept(raw as string);
    return refuse('must be a URL such as sqlite:./millrace.db or postgres://user@host:5432/database');
  },
  print: redactUrl,
  echo: redactUrl,
};

/** The file of a `sqlite:` URL, undefined for another one. */
export function sqlitePath(url: string): string | undefined {
  return SQLITE.exec(url)?.[1];
}

function urlOf(text: string, protocols: readonly string[]): URL | undefined {
  if (/[\s\0-\x1f\x7f]/.test(text)) return undefined;
  try {
    const url = new URL(text);
    decodeURIComponent(url.username + url.password);
    return protocols.includes(url.protocol) && url.hostname !== '' && url.hash === '' ? url : undefined;
  } catch {
    return undefined;
  }
}
