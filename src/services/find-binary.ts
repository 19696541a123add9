/** Looks for nats-server and redis-server where they may already be, and believes only a program that tells its version. */
import { access, constants, readdir, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { runCommand } from './run-command.js';

export type ServerKind = 'nats' | 'redis';

/** Where a server was found: named by a variable, on the search path, or in Millrace's own cache. */
export type ServerOrigin = 'env' | 'path' | 'cache';

/** A server program that was run once and told its version. */
export interface ServerBinary {
  readonly path: string;
  /** Variables to add to the environment of the program; `LD_LIBRARY_PATH` for one from the cache. */
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
  readonly origin: ServerOrigin;
  /** The server's command-line client, where it lies beside the server: `redis-cli`. Needs `env` as well. */
  readonly cli?: string;
}

export type Sighting =
  | { readonly kind: 'found'; readonly binary: ServerBinary }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string };

interface ServerProgram {
  readonly program: string;
  readonly cli: string | undefined;
  /** The variable that names the program. */
  readonly variable: string;
  /** Distribution packages that hold the program; Debian's redis-server is a link into redis-tools. */
  readonly packages: readonly string[];
}

export const serverPrograms: Readonly<Record<ServerKind, ServerProgram>> = {
  nats: { program: 'nats-server', cli: undefined, variable: 'MILLRACE_NATS_SERVER', packages: ['nats-server'] },
  redis: {
    program: 'redis-server',
    cli: 'redis-cli',
    variable: 'MILLRACE_REDIS_SERVER',
    packages: ['redis-server', 'redis-tools'],
  },
};

/** Directories that hold servers but are often missing from the search path of an ordinary user. */
const extraDirs = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
const versionMs = 15_000;

/** The program named by `MILLRACE_NATS_SERVER` or `MILLRACE_REDIS_SERVER`. */
export async function findByVariable(kind: ServerKind, env: NodeJS.ProcessEnv): Promise<Sighting> {
  const { variable } = serverPrograms[kind];
  const path = env[variable];
  if (!path) return { kind: 'absent' };
  const sighting = await sight(kind, path, 'env', {}, env);
  if (sighting.kind === 'found') return sighting;
  const reason = sighting.kind === 'absent' ? 'no such program' : sighting.reason;
  return { kind: 'unusable', reason: `${variable}=${path}: ${reason}` };
}

/** The first working program on the search path. */
export async function findOnPath(kind: ServerKind, env: NodeJS.ProcessEnv): Promise<Sighting> {
  const dirs = [...(env.PATH ?? '').split(delimiter), ...extraDirs].filter((dir) => dir !== '');
  let last: Sighting = { kind: 'absent' };
  for (const dir of new Set(dirs)) {
    const sighting = await sight(kind, join(dir, serverPrograms[kind].program), 'path', {}, env);
    if (sighting.kind === 'found') return sighting;
    if (sighting.kind === 'unusable') last = sighting;
  }
  return last;
}

/** The program inside a directory that packages were unpacked into. */
export async function findUnpacked(kind: ServerKind, root: string, env: NodeJS.ProcessEnv): Promise<Sighting> {
  const dirs = await libraryDirs(root);
  const inherited = env.LD_LIBRARY_PATH ? [env.LD_LIBRARY_PATH] : [];
  const extra: Record<string, string> = {};
  if (dirs.length > 0) extra.LD_LIBRARY_PATH = [...dirs, ...inherited].join(delimiter);
  for (const dir of ['usr/sbin', 'usr/bin', 'sbin', 'bin']) {
    const sighting = await sight(kind, join(root, dir, serverPrograms[kind].program), 'cache', extra, env);
    if (sighting.kind !== 'absent') return sighting;
  }
  return { kind: 'absent' };
}

async function sight(
  kind: ServerKind,
  path: string,
  origin: ServerOrigin,
  extra: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Promise<Sighting> {
  if (!(await isExecutable(path))) return { kind: 'absent' };
  const end = await runCommand(path, ['--version'], { env: { ...env, ...extra }, timeoutMs: versionMs });
  if (end.failure !== undefined) return { kind: 'unusable', reason: end.failure };
  const version = /\d+\.\d+\.\d+/.exec(end.stdout)?.[0];
  if (version === undefined) return { kind: 'unusable', reason: `${path} --version tells no version` };
  const { cli } = serverPrograms[kind];
  const cliPath = cli === undefined ? undefined : join(dirname(path), cli);
  const hasCli = cliPath !== undefined && (await isExecutable(cliPath));
  return { kind: 'found', binary: { path, env: extra, version, origin, ...(hasCli && { cli: cliPath }) } };
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Directories below `root` that hold shared libraries: `usr/lib/<triplet>` and its relatives. */
export async function libraryDirs(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const base of ['usr/lib', 'lib']) {
    const dir = join(root, base);
    const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
    for (const path of [dir, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(dir, entry.name))]) {
      const names = await readdir(path).catch(() => []);
      if (names.some((name) => /\.so(\.|$)/.test(name))) found.push(path);
    }
  }
  return found;
}
