/** Planting: the one place of the built tree where a mutant goes, and a copy of the tree that it may go into. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutant.js';

/** `dist`, two folders above this file. */
export const builtTree = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What is wrong with the mutant's place in the built tree, or undefined. */
export function problemOfPlace({ file, find, replace }: Mutant, tree = builtTree): string | undefined {
  const path = join(tree, 'src', file);
  if (!existsSync(path)) return `there is no ${file}`;
  if (find === replace) return 'it changes nothing';
  const times = readFileSync(path, 'utf8').split(find).length - 1;
  return times === 1 ? undefined : `its text occurs ${times} times in ${file}`;
}

/** A copy of the built tree, outside the repository, with what the suites need around it. */
export class Copy {
  readonly root = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));

  constructor() {
    const repository = dirname(builtTree);
    const isNeeded = (path: string): boolean => !/\.(?:d\.ts|map)$/.test(path);
    for (const part of ['src', 'test'])
      cpSync(join(builtTree, part), join(this.root, 'dist', part), { recursive: true, filter: isNeeded });
    cpSync(join(repository, 'package.json'), join(this.root, 'package.json'));
    symlinkSync(modulesAbove(repository), join(this.root, 'node_modules'));
    // One process and no pool of its own: the runner already keeps the cores busy.
    const test = {
      include: ['dist/test/**/*.{test,suite}.js'],
      exclude: [],
      pool: 'forks',
      maxWorkers: 1,
      watch: false,
      // A busy machine is no reason to be red; a suite that hangs is ended as a whole.
      testTimeout: 100_000,
      hookTimeout: 100_000,
    };
    writeFileSync(join(this.root, 'vitest.config.mjs'), `export default ${JSON.stringify({ test })};\n`);
    mkdirSync(join(this.root, 'reports'));
  }

  /** Plants the mutant for as long as `work` takes. */
  async with<T>(mutant: Mutant, work: () => Promise<T>): Promise<T> {
    const path = join(this.root, 'dist', 'src', mutant.file);
    const original = readFileSync(path, 'utf8');
    writeFileSync(path, original.split(mutant.find).join(mutant.replace));
    try {
      return await work();
    } finally {
      writeFileSync(path, original);
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function modulesAbove(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, 'node_modules');
    if (existsSync(modules)) return modules;
    if (dirname(at) === at) throw new Error(`no node_modules at or above ${folder}`);
  }
}
