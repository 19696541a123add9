/**
 * A project of somebody who has installed Millrace: what `npm pack` makes, installed by npm beside exactly those packages
 * that Millrace says it needs. They are copied from here, so that nothing is fetched; npm checks that they are the ones.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const exec = promisify(execFile);
/** What a TypeScript user has besides. */
const TYPES_OF_NODE = ['node_modules/@types/node', 'node_modules/undici-types'];

export interface UserProject {
  readonly dir: string;
  /** The command as npm has linked it. */
  readonly bin: string;
  remove(): Promise<void>;
}

export async function installInProject(): Promise<UserProject> {
  const work = await mkdtemp(join(tmpdir(), 'millrace-project-'));
  const dir = join(work, 'project');
  await mkdir(dir);
  await exec('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', work], { cwd: root });
  const archive = (await readdir(work)).find((name) => name.endsWith('.tgz'))!;
  for (const place of [...(await runtimePackages()), ...TYPES_OF_NODE])
    await cp(join(root, place), join(dir, place), { recursive: true });
  await linkPrograms(dir);
  const own = { name: 'project', private: true, type: 'module', devDependencies: { '@types/node': '*' } };
  await writeFile(join(dir, 'package.json'), JSON.stringify(own));
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // With an empty cache: what npm does not find in the project, it cannot have from anywhere.
  const env = { ...process.env, npm_config_cache: join(work, 'cache') };
  await exec('npm', ['install', '--offline', ...quiet, join(work, archive)], { cwd: dir, env });
  return {
    dir,
    bin: join(dir, 'node_modules/.bin/millrace'),
    remove: () => rm(work, { recursive: true, force: true }),
  };
}

/** Places of the packages that are not for development alone, as far as this machine has them: some are for others. */
async function runtimePackages(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const places = Object.entries(packages).flatMap(([place, { dev }]) => (place === '' || dev === true ? [] : [place]));
  return places.filter((place) => existsSync(join(root, place)));
}

/** npm takes a package whose programs are not linked for a broken one, and fetches it. */
async function linkPrograms(dir: string): Promise<void> {
  const from = join(root, 'node_modules/.bin');
  const to = join(dir, 'node_modules/.bin');
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    const target = await readlink(join(from, name));
    if (existsSync(join(to, target))) await symlink(target, join(to, name));
  }
}
