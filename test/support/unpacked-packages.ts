/** Programs that tests need and this machine lacks: the distribution's packages, unpacked into Millrace's cache without root. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AptSession } from '../../src/services/apt-session.js';
import { cacheEntries } from '../../src/services/binaries.js';
import { makeWorkDir, publish, resolveCacheDir } from '../../src/services/cache-dir.js';

/**
 * The directory that holds the packages and the libraries they lack here. `name` is its place in the cache, `isThere`
 * says whether a directory is complete.
 */
export async function unpackedPackages(
  name: string,
  packages: readonly string[],
  isThere: (dir: string) => Promise<boolean>,
): Promise<string> {
  const cacheDir = await resolveCacheDir(process.env);
  const entry = join(await cacheEntries(cacheDir), name);
  if (await isThere(entry)) return entry;
  const work = await makeWorkDir(cacheDir);
  try {
    await fetchInto(join(work, name), work, packages);
    await publish(join(work, name), entry, () => isThere(entry));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return entry;
}

async function fetchInto(target: string, work: string, packages: readonly string[]): Promise<void> {
  const dir = join(work, 'apt');
  await mkdir(dir, { recursive: true });
  const session = await AptSession.open({ dir, lists: 'private', pins: true, env: process.env });
  const { failure } = await session.update();
  try {
    await session.unpack(await session.withLibraries(packages), target);
  } catch (error) {
    throw new Error(`${packages[0]} cannot be had here: ${String(error)} ${failure ?? ''}; install it`);
  }
}
