/**
 * Where the servers of a developer machine come from. Looked for in this order: the variables that name them, the
 * search path, Millrace's cache, and at last the distribution's packages, which are unpacked into the cache without
 * root and without changing the machine.
 */
import { platform } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../errors.js';
import { resolveCacheDir } from './cache-dir.js';
import {
  findByVariable,
  findOnPath,
  findUnpacked,
  type ServerBinary,
  type ServerKind,
  type ServerOrigin,
  type Sighting,
  serverPrograms,
} from './find-binary.js';
import { platformKey, readOsRelease } from './os-release.js';
import { fetchServers } from './package-fetch.js';

export type { ServerBinary, ServerKind } from './find-binary.js';

export interface LocateOptions {
  /** Where fetched servers are kept; by default `$MILLRACE_CACHE`, `$XDG_CACHE_HOME/millrace` or `~/.cache/millrace`. */
  readonly cacheDir?: string | undefined;
  /** Told what is going on, one line at a time. */
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The environment to look in and to run apt with; that of the process by default. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Where to look, all places by default. With `cache` a server that is nowhere is fetched. */
  readonly origins?: readonly ServerOrigin[] | undefined;
}

/**
 * Finds or fetches nats-server and redis-server. Safe to call from several processes at once.
 * @throws MillraceError `SERVERS_MISSING` with every reason and every way out.
 */
export async function locateServers(options: LocateOptions = {}): Promise<{ nats: ServerBinary; redis: ServerBinary }> {
  const found = await locate(['nats', 'redis'], options);
  return { nats: found.get('nats')!, redis: found.get('redis')! };
}

/** Finds or fetches one server, for when the other is already running somewhere. Throws as `locateServers` does. */
export async function locateServer(kind: ServerKind, options: LocateOptions = {}): Promise<ServerBinary> {
  return (await locate([kind], options)).get(kind)!;
}

/** The directory of the cache that holds entries for machines like this one. */
export async function cacheEntries(cacheDir: string): Promise<string> {
  return join(cacheDir, platformKey(await readOsRelease()));
}

async function locate(kinds: readonly ServerKind[], options: LocateOptions): Promise<Map<ServerKind, ServerBinary>> {
  const { env = process.env, log = () => {}, signal, origins = ['env', 'path', 'cache'] } = options;
  const cacheDir = await resolveCacheDir(env, options.cacheDir);
  const entries = await cacheEntries(cacheDir);
  const entryDir = (kind: ServerKind): string => join(entries, serverPrograms[kind].program);
  const found = new Map<ServerKind, ServerBinary>();
  const problems: string[] = [];
  const look: Record<ServerOrigin, (kind: ServerKind) => Promise<Sighting>> = {
    env: (kind) => findByVariable(kind, env),
    path: (kind) => findOnPath(kind, env),
    cache: (kind) => findUnpacked(kind, entryDir(kind), env),
  };
  for (const kind of kinds) {
    for (const origin of origins) {
      signal?.throwIfAborted();
      const sighting = await look[origin](kind);
      if (sighting.kind === 'found') found.set(kind, sighting.binary);
      if (sighting.kind === 'unusable') problems.push(sighting.reason);
      // A variable that names a program which does not run is a mistake to correct, not one to work around.
      if (sighting.kind !== 'absent' && (sighting.kind === 'found' || origin === 'env')) break;
    }
  }
  const missing = kinds.filter((kind) => !found.has(kind));
  const misnamed = missing.some((kind) => origins.includes('env') && env[serverPrograms[kind].variable]);
  if (missing.length > 0 && !misnamed && origins.includes('cache')) {
    const fetched = await fetchServers(missing, { cacheDir, entryDir, env, log, signal });
    for (const [kind, binary] of fetched.found) found.set(kind, binary);
    problems.push(...fetched.reasons);
  }
  const absent = kinds.filter((kind) => !found.has(kind));
  if (absent.length > 0) throw missingError(absent, problems);
  return found;
}

function missingError(kinds: readonly ServerKind[], reasons: readonly string[]): MillraceError {
  const programs = kinds.map((kind) => serverPrograms[kind].program);
  const variables = kinds.map((kind) => serverPrograms[kind].variable).join(' and ');
  const install =
    platform() === 'darwin'
      ? 'Install them: brew install nats-server redis'
      : 'Run them in containers, with the compose.yaml of Millrace: docker compose up -d';
  return new MillraceError('SERVERS_MISSING', `${programs.join(' and ')} could neither be found nor fetched`, {
    problems: [
      ...new Set(reasons),
      install,
      'Use servers that run elsewhere: --nats and --redis, or the variables NATS_URL and REDIS_URL',
      `Name programs on this machine: ${variables}`,
    ],
  });
}
