/**
 * kubectl with a kustomize that knows components: the machine's own, or Debian's package of a suite that has one,
 * unpacked into Millrace's cache. Nothing is installed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AptSession } from '../../src/services/apt-session.js';
import { cacheEntries } from '../../src/services/binaries.js';
import { publish, resolveCacheDir } from '../../src/services/cache-dir.js';
import { runCommand } from '../../src/services/run-command.js';
import { suiteSources } from '../../src/services/suite-binary.js';

/** The first suite whose kubectl has components; that of Debian 12 is older. */
const SUITE = 'trixie';
const RUN_MS = 60_000;

let located: Promise<string> | undefined;

/** Renders a directory as `kubectl kustomize` does. Throws with what kubectl says. */
export async function kustomize(dir: string): Promise<string> {
  located ??= locate();
  const { stdout, failure } = await runCommand(await located, ['kustomize', dir], {
    env: process.env,
    timeoutMs: RUN_MS,
  });
  if (failure !== undefined) throw new Error(failure);
  return stdout;
}

async function locate(): Promise<string> {
  if (await isUsable('kubectl')) return 'kubectl';
  const { env } = process;
  const cacheDir = await resolveCacheDir(env, undefined);
  const entry = join(await cacheEntries(cacheDir), `kubectl-${SUITE}`);
  const path = join(entry, 'usr/bin/kubectl');
  if (await isUsable(path)) return path;
  const source = await suiteSources(SUITE, env);
  if (source.sources === undefined) throw new Error(`kubectl is not here, and cannot be fetched: ${source.reason}`);
  const work = await mkdtemp(join(cacheDir, 'kubectl-'));
  try {
    const session = await AptSession.open({ dir: join(work, 'apt'), lists: 'private', pins: false, env, ...source });
    const { failure } = await session.update();
    if (failure !== undefined) throw new Error(failure);
    const unpacked = join(work, 'root');
    await session.unpack([`kubectl/${SUITE}`], unpacked);
    await publish(unpacked, entry, () => isUsable(path));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  if (await isUsable(path)) return path;
  throw new Error(`the kubectl of Debian ${SUITE} does not run`);
}

/** Kustomize knows components from 3.7 on; kubectl says the version of its own since then. */
async function isUsable(path: string): Promise<boolean> {
  const { stdout, failure } = await runCommand(path, ['version', '--client', '-o', 'json'], {
    env: process.env,
    timeoutMs: RUN_MS,
  });
  return failure === undefined && /"kustomizeVersion": "v[4-9]/.test(stdout);
}
