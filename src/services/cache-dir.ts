/**
 * The private directory that fetched servers are kept in. Invariants:
 * 1. Programs are run from it, so it is never a directory another user could have prepared.
 * 2. What stands under its final name is complete: entries are unpacked beside it and renamed into place.
 */
import { access, constants, lstat, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const workPrefix = '.fetch-';
const workAgeMsMax = 60 * 60 * 1000;

/**
 * The cache directory: the one given, `$MILLRACE_CACHE`, `$XDG_CACHE_HOME/millrace` or `~/.cache/millrace`; a private
 * directory of the system's temporary one where the home cannot be written. A directory that was named is never
 * replaced by another.
 */
export async function resolveCacheDir(env: NodeJS.ProcessEnv, given?: string): Promise<string> {
  const named = given ?? env.MILLRACE_CACHE;
  if (named) return resolve(named);
  const candidates = [
    env.XDG_CACHE_HOME ? join(env.XDG_CACHE_HOME, 'millrace') : undefined,
    env.HOME ? join(env.HOME, '.cache', 'millrace') : undefined,
  ];
  for (const candidate of candidates) {
    if (candidate !== undefined && (await isWritableDir(candidate))) return candidate;
  }
  return temporaryDir();
}

/** A fresh work directory inside the cache, on the same file system so that a rename publishes its content. */
export async function makeWorkDir(cacheDir: string): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  await removeStaleWork(cacheDir);
  return mkdtemp(join(cacheDir, workPrefix));
}

/**
 * Renames the finished directory `from` to `to`. Several processes may publish the same entry at once: whoever comes
 * second keeps what the first put there, if `isSound` says that it works, and replaces it otherwise.
 */
export async function publish(from: string, to: string, isSound: () => Promise<boolean>): Promise<void> {
  await mkdir(join(to, '..'), { recursive: true });
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rename(from, to);
      return;
    } catch (error) {
      if (!isOccupied(error) || attempt === 3) throw error;
    }
    if (await isSound()) return;
    // Moved into the work directory, which its owner removes; gone means another process moved it first.
    await rename(to, `${from}-replaced-${attempt}`).catch(() => undefined);
  }
}

function isOccupied(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}

async function isWritableDir(path: string): Promise<boolean> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function temporaryDir(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const path = join(tmpdir(), `millrace-${uid}`);
  await mkdir(path, { mode: 0o700 }).catch(() => undefined);
  const found = await lstat(path).catch(() => undefined);
  // Anybody may create this name in a shared directory; running programs out of it needs it to be ours alone (1).
  const isOurs = found?.isDirectory() === true && found.uid === uid && (found.mode & 0o022) === 0;
  return isOurs ? path : mkdtemp(join(tmpdir(), 'millrace-'));
}

/** Work directories of fetches that were killed; those of running ones are younger. */
async function removeStaleWork(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(workPrefix)) continue;
    const path = join(cacheDir, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > workAgeMsMax) {
      await rm(path, { recursive: true, force: true }).catch(() => undefined); // another process may do the same
    }
  }
}
