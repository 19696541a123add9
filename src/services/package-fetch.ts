/**
 * Gets server programs from the distribution's packages into the cache, without root. Three ways are tried, the
 * cheapest first; each next one is tried only for what the one before did not bring:
 * 1. the package indexes the machine already has,
 * 2. fresh indexes of the distribution's own sources,
 * 3. fresh indexes of all sources of the machine, where some may not answer.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptOptions, AptSession } from './apt-session.js';
import { ownSources, readSources, renderSources } from './apt-sources.js';
import { makeWorkDir, publish } from './cache-dir.js';
import { findUnpacked, type ServerBinary, type ServerKind, serverPrograms } from './find-binary.js';
import { readOsRelease } from './os-release.js';
import { runCommand } from './run-command.js';

interface FetchOptions {
  readonly cacheDir: string;
  /** Directory of the finished entry of one server. */
  readonly entryDir: (kind: ServerKind) => string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

interface FetchResult {
  readonly found: ReadonlyMap<ServerKind, ServerBinary>;
  /** Why a way failed, in the order tried. */
  readonly reasons: readonly string[];
}

/** One way to reach packages. */
interface AptWay extends Pick<AptOptions, 'sources' | 'lists' | 'pins'> {
  readonly name: string;
}

/** Fetches the servers from the distribution. Rejects only when aborted; what could not be had is in `reasons`. */
export async function fetchServers(kinds: readonly ServerKind[], options: FetchOptions): Promise<FetchResult> {
  const apt = await runCommand('apt-get', ['--version'], { env: options.env, timeoutMs: 15_000 });
  if (apt.failure !== undefined) return { found: new Map(), reasons: [apt.failure] };
  const programs = kinds.map((kind) => serverPrograms[kind].program).join(' and ');
  options.log(`fetching ${programs} with apt-get into ${options.cacheDir}; nothing is installed`);
  return fetchByWays(kinds, await aptWays(options.env), options);
}

/** Tries the ways in their order until every server is in its place. */
export async function fetchByWays(
  kinds: readonly ServerKind[],
  ways: readonly AptWay[],
  options: FetchOptions,
): Promise<FetchResult> {
  const found = new Map<ServerKind, ServerBinary>();
  const reasons: string[] = [];
  let work: string | undefined;
  try {
    work = await makeWorkDir(options.cacheDir);
    for (const [index, way] of ways.entries()) {
      const missing = kinds.filter((kind) => !found.has(kind));
      if (missing.length === 0) break;
      reasons.push(...(await tryWay(way, join(work, `${index}`), missing, found, options)));
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    reasons.push(String(error));
  } finally {
    if (work !== undefined) await rm(work, { recursive: true, force: true });
  }
  return { found, reasons };
}

/** The ways of this machine, in the order to try them. */
async function aptWays(env: NodeJS.ProcessEnv): Promise<AptWay[]> {
  const os = await readOsRelease();
  const own = ownSources(await readSources(env), os.codenames);
  const ways: AptWay[] = [{ name: 'apt with the indexes of this machine', lists: 'machine', pins: true }];
  if (own.length > 0) {
    const sources = renderSources(own);
    ways.push({ name: "apt with the distribution's sources", lists: 'private', pins: true, sources });
  }
  ways.push({ name: 'apt with all sources of this machine', lists: 'private', pins: true });
  return ways;
}

async function tryWay(
  way: AptWay,
  dir: string,
  kinds: readonly ServerKind[],
  found: Map<ServerKind, ServerBinary>,
  options: FetchOptions,
): Promise<string[]> {
  const { env, signal } = options;
  await mkdir(dir, { recursive: true });
  const session = await AptSession.open({ ...way, dir, env, signal });
  const reasons: string[] = [];
  if (way.lists === 'private') {
    options.log('reading the package indexes');
    const { failure } = await session.update();
    if (failure !== undefined) reasons.push(`${way.name}: ${failure}`);
  }
  for (const kind of kinds) {
    try {
      found.set(kind, await fetchOne(kind, session, join(dir, kind), options));
    } catch (error) {
      signal?.throwIfAborted();
      reasons.push(`${way.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return reasons;
}

async function fetchOne(
  kind: ServerKind,
  session: AptSession,
  unpacked: string,
  { env, log, entryDir }: FetchOptions,
): Promise<ServerBinary> {
  const packages = await session.withLibraries(serverPrograms[kind].packages);
  log(`downloading ${packages.join(', ')}`);
  await session.unpack(packages, unpacked);
  const fresh = await findUnpacked(kind, unpacked, env);
  if (fresh.kind !== 'found') {
    throw new Error(fresh.kind === 'unusable' ? fresh.reason : `no ${serverPrograms[kind].program} in its packages`);
  }
  const entry = entryDir(kind);
  await publish(unpacked, entry, async () => (await findUnpacked(kind, entry, env)).kind === 'found');
  const published = await findUnpacked(kind, entry, env);
  if (published.kind !== 'found') throw new Error(`${entry} was changed by another process`);
  return published.binary;
}
