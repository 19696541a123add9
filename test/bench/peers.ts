/**
 * What others are measured with: packages that only the benchmark installs, once, into Millrace's cache. They are no
 * dependencies, and none of their install scripts runs.
 */
import { access, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeWorkDir, publish, resolveCacheDir } from '../../src/services/cache-dir.js';
import { runCommand } from '../../src/services/run-command.js';

/** Versions are exact, so that a figure names what it was measured with. */
const packages = {
  bullmq: '6.7.0',
  ioredis: '6.0.0',
  '@restatedev/restate-sdk': '1.17.2',
  '@restatedev/restate-server': '1.7.12',
} as const;

/** Restate's SDK needs `Promise.withResolvers`, which Node has from 22 on. */
const NODE = { name: `node-${process.platform}-${process.arch}`, version: '22.23.3' };
const needsNode = Number(process.versions.node.split('.')[0]) < 22;

const INSTALL_MS = 300_000;

/** The packages with their versions, for people. */
export const peersText = Object.entries(packages)
  .map(([name, version]) => `${name} ${version}`)
  .concat(needsNode ? [`Node ${NODE.version} for Restate's SDK`] : [])
  .join(', ');

/** The directory that holds them; they are fetched if it is not there. Throws with npm's reason. */
export async function installPeers(log: (line: string) => void): Promise<string> {
  const cache = await resolveCacheDir(process.env);
  const name = [...Object.values(packages), needsNode ? NODE.version : 'own'].join('-');
  const target = join(cache, `bench-peers-${process.platform}-${process.arch}-${name}`);
  const isThere = (): Promise<boolean> =>
    access(join(target, 'node_modules', 'bullmq')).then(
      () => true,
      () => false,
    );
  if (await isThere()) return target;
  log(`installing ${peersText} into ${cache}`);
  const work = await makeWorkDir(cache);
  await writeFile(join(work, 'package.json'), '{"private":true}\n');
  const specs = Object.entries(packages).map(([each, version]) => `${each}@${version}`);
  if (needsNode) specs.push(`${NODE.name}@${NODE.version}`);
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...specs];
  const { failure } = await runCommand('npm', args, { cwd: work, timeoutMs: INSTALL_MS });
  if (failure !== undefined) throw new Error(`the peers cannot be installed: ${failure}`);
  await publish(work, target, isThere);
  return target;
}

/** Loads one of the packages. `T` is what the caller uses of it. */
export async function loadPeer<T>(dir: string, name: keyof typeof packages): Promise<T> {
  const path = createRequire(join(dir, 'package.json')).resolve(name);
  return (await import(pathToFileURL(path).href)) as T;
}

/** The program that Restate's handlers run on. */
export function restateNodePath(dir: string): string {
  return needsNode ? join(dir, 'node_modules', NODE.name, 'bin', 'node') : process.execPath;
}

/** Restate's server for this machine. */
export function restateServerPath(dir: string): { readonly path: string; readonly version: string } {
  const name = `@restatedev/restate-server-${process.platform}-${process.arch}`;
  return {
    path: join(dir, 'node_modules', name, 'bin', 'restate-server'),
    version: packages['@restatedev/restate-server'],
  };
}
