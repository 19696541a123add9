/**
 * Node of other versions than the one that runs the tests: the npm packages that carry its binaries, kept in Millrace's
 * cache. A machine that can have none fails the test, and says why.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeWorkDir, publish, resolveCacheDir } from '../../src/services/cache-dir.js';
import { runCommand } from '../../src/services/run-command.js';

const FETCH_MS = 120_000;

/** Path of the program of this version, `22.23.3`. */
export async function nodeBinary(version: string): Promise<string> {
  const cacheDir = await resolveCacheDir(process.env);
  const name = `node-${process.platform}-${process.arch}`;
  const entry = join(cacheDir, `${name}-${version}`);
  const isThere = (): Promise<boolean> => isNode(join(entry, 'bin/node'), version);
  if (await isThere()) return join(entry, 'bin/node');
  const work = await makeWorkDir(cacheDir);
  try {
    const unpacked = join(work, 'node');
    await mkdir(unpacked);
    const pack = ['pack', `${name}@${version}`, '--loglevel=error', '--prefer-offline', '--pack-destination', work];
    await mustRun(version, 'npm', pack);
    const archive = join(work, `${name}-${version}.tgz`);
    const unpack = ['-xzf', archive, '-C', unpacked, '--strip-components=1', 'package/bin/node'];
    await mustRun(version, 'tar', unpack);
    await publish(unpacked, entry, isThere);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return join(entry, 'bin/node');
}

async function mustRun(version: string, program: string, args: readonly string[]): Promise<void> {
  const { failure } = await runCommand(program, args, { timeoutMs: FETCH_MS });
  if (failure !== undefined) throw new Error(`Node ${version} cannot be had here: ${failure}`);
}

async function isNode(path: string, version: string): Promise<boolean> {
  const { stdout } = await runCommand(path, ['--version'], { timeoutMs: 30_000 });
  return stdout.trim() === `v${version}`;
}
