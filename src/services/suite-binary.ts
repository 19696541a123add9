/**
 * Other versions of nats-server for tests: from another suite of the same distribution, through the machine's own
 * source entry with only the suite replaced, so that address and keyring stay those the machine already trusts.
 */
import { join } from 'node:path';
import { readSources, renderSources, type SourceEntry } from './apt-sources.js';
import { cacheEntries } from './binaries.js';
import { resolveCacheDir } from './cache-dir.js';
import { findUnpacked, type ServerBinary } from './find-binary.js';
import { readOsRelease } from './os-release.js';
import { fetchByWays } from './package-fetch.js';

export interface SuiteOptions {
  /** A Debian suite, such as `trixie`. */
  readonly suite: string;
  readonly cacheDir?: string | undefined;
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export type SuiteBinary =
  | { readonly kind: 'found'; readonly binary: ServerBinary }
  | { readonly kind: 'unavailable'; readonly reason: string };

const rollingSuites = ['stable', 'oldstable', 'testing', 'unstable', 'sid'];

/** The nats-server of another Debian suite, from the cache or fetched; `unavailable` where this machine cannot have it. */
export async function fetchNatsServer(options: SuiteOptions): Promise<SuiteBinary> {
  const { suite, env = process.env, log = () => {}, signal } = options;
  const cacheDir = await resolveCacheDir(env, options.cacheDir);
  const entry = join(await cacheEntries(cacheDir), `nats-server-${suite}`);
  const cached = await findUnpacked('nats', entry, env);
  if (cached.kind === 'found') return cached;
  const found = await suiteSources(suite, env);
  if (found.sources === undefined) return { kind: 'unavailable', reason: found.reason };
  const { sources } = found;
  log(`fetching nats-server of ${suite} with apt-get into ${cacheDir}; nothing is installed`);
  const ways = [{ name: `apt with ${suite}`, lists: 'private', pins: false, sources }] as const;
  const fetched = await fetchByWays(['nats'], ways, { cacheDir, entryDir: () => entry, env, log, signal });
  const binary = fetched.found.get('nats');
  if (binary !== undefined) return { kind: 'found', binary };
  return { kind: 'unavailable', reason: fetched.reasons.join('; ') };
}

/** The machine's own source entry for another Debian suite, or why there is none. */
export async function suiteSources(
  suite: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly sources: string } | { readonly sources: undefined; readonly reason: string }> {
  const os = await readOsRelease();
  if (os.id !== 'debian') return { sources: undefined, reason: `suites of Debian are not packages of ${os.id}` };
  const source = archiveEntry(await readSources(env), [...os.codenames, ...rollingSuites]);
  if (source === undefined) return { sources: undefined, reason: 'this machine has no package source of Debian' };
  return { sources: renderSources([{ ...source, suites: [suite], components: ['main'] }]) };
}

/** The entry of the main archive: updates and security have other addresses or other suite names. */
function archiveEntry(entries: readonly SourceEntry[], suites: readonly string[]): SourceEntry | undefined {
  return entries.find(
    (entry) => entry.components.includes('main') && entry.suites.some((suite) => suites.includes(suite)),
  );
}
