/** Where Postgres' programs are: installed on this machine, or unpacked from the distribution's package. */
import { cp, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { libraryDirs } from '../../src/services/find-binary.js';
import { runCommand } from '../../src/services/run-command.js';
import { unpackedPackages } from './unpacked-packages.js';

export interface PostgresPrograms {
  /** Directory of `initdb` and `postgres`. */
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
}

const LIB = '/usr/lib/postgresql';
const QUERY_MS = 60_000;

/** `dir` is the test's own and readable by the user whom Postgres runs as; `installed` is where packages put it. */
export async function postgresPrograms(dir: string, installed = LIB): Promise<PostgresPrograms> {
  const bin = await newestBin(installed);
  if (bin !== undefined) return { bin, env: process.env };
  const isThere = async (root: string) => (await newestBin(join(root, LIB))) !== undefined;
  const cached = await unpackedPackages('postgresql', [await packageName()], isThere);
  // The cache may lie where only its owner can look. Postgres finds its other files from where its programs are.
  const root = join(dir, 'programs');
  await cp(cached, root, { recursive: true, verbatimSymlinks: true });
  const libraries = (await libraryDirs(root)).join(delimiter);
  return { bin: (await newestBin(join(root, LIB)))!, env: { ...process.env, LD_LIBRARY_PATH: libraries } };
}

async function newestBin(lib: string): Promise<string | undefined> {
  const versions = (await readdir(lib).catch((): string[] => [])).map(Number).sort((a, b) => b - a);
  for (const version of versions) {
    const bin = join(lib, `${version}`, 'bin');
    const programs = await readdir(bin).catch((): string[] => []);
    if (programs.includes('postgres') && programs.includes('initdb')) return bin;
  }
  return undefined;
}

/** The distribution names its package by version, and has one without that depends on it. */
async function packageName(): Promise<string> {
  const { stdout } = await runCommand('apt-cache', ['depends', 'postgresql'], { timeoutMs: QUERY_MS });
  return /Depends: (postgresql-\d+)/.exec(stdout)?.[1] ?? 'postgresql-15';
}
