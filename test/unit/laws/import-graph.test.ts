/** Who may import whom (STYLE: the core is pure, adapters stand alone, faces meet them in the composition root). */
import { describe, expect, it } from 'vitest';
import type { SourceFile } from './source-files.js';
import { sourceFile, sourceFiles } from './source-files.js';

const files = sourceFiles('src', 'workers');
const below = (folder: string): SourceFile[] => files.filter(({ path }) => path.startsWith(folder));

/** Imports of `from` that are not allowed, as `file imports what`. */
function offences(from: readonly SourceFile[], isAllowed: (path: string, file: SourceFile) => boolean): string[] {
  return from.flatMap((file) =>
    file.imports
      .filter(({ path }) => path !== undefined && !isAllowed(path, file))
      .map(({ path }) => `${file.path} imports ${path}`),
  );
}

const isIn = (path: string, ...places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));

/** Where adapters are put together with what needs them. */
const COMPOSITION = ['src/compose/', 'src/runtime/compose.ts', 'src/cli/'];

/** Places that know more than their room allows, each with the reason. One that is not used goes. */
const EXTRAS: Readonly<Record<string, { readonly places: readonly string[]; readonly reason: string }>> = {
  'src/adapters/piscina/': { places: ['src/protocol/'], reason: 'it carries the messages between the threads' },
  'src/adapters/pino/': {
    places: ['src/observability/'],
    reason: 'it writes what is listed there, cleaned as said there',
  },
  'src/ports/threads.ts': { places: ['src/protocol/'], reason: 'a thread is what those messages go to' },
  'workers/': { places: ['src/adapters/piscina/'], reason: 'an entry names the task that its thread is given' },
};

const extrasOf = (path: string): readonly string[] =>
  Object.entries(EXTRAS).flatMap(([place, { places }]) => (isIn(path, place) ? places : []));

/** Packages that are loaded with a file, through all files that are. */
function packagesOf(entry: string): string[] {
  const reached = new Set([entry]);
  const packages = new Set<string>();
  for (const path of reached)
    for (const one of files.find((file) => file.path === path)!.imports)
      if (one.isLoadedFirst && one.path !== undefined) reached.add(one.path);
      else if (one.isLoadedFirst && !one.text.startsWith('node:')) packages.add(one.text);
  return [...packages].sort();
}

describe('the import graph', () => {
  it('reads imports as they are written', () => {
    const file = sourceFile(
      'src/a/b.ts',
      `import type { A } from '../c/d.js';\nimport {\n  x,\n} from "./e.js";\nexport * from './f.js'; // from './no.js'
       import 'node:fs'; const g = await import('./g.js'); /* import './no.js' */ const url = 'http://h'; import i from 'i';`,
    );
    expect(file.imports.map(({ path, text }) => path ?? text).sort()).toEqual(
      ['i', 'node:fs', 'src/a/e.ts', 'src/a/f.ts', 'src/a/g.ts', 'src/c/d.ts'].sort(),
    );
    expect(files.length).toBeGreaterThan(40);
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(100);
  });

  it('core imports only core', () => {
    expect(offences(below('src/core/'), (path) => isIn(path, 'src/core/'))).toEqual([]);
    const packages = below('src/core/').flatMap(({ path, imports }) =>
      imports.filter((one) => one.path === undefined).map(({ text }) => `${path} imports ${text}`),
    );
    expect(packages).toEqual([]);
  });

  it('ports import only core and ports', () => {
    const isAllowed = (path: string, file: SourceFile) => isIn(path, 'src/core/', 'src/ports/', ...extrasOf(file.path));
    expect(offences(below('src/ports/'), isAllowed)).toEqual([]);
    for (const { path, imports } of below('src/ports/'))
      for (const one of imports) expect(one.path, `${path} imports ${one.text}`).toBeDefined();
  });

  it('adapters import their own folder, ports, core, errors and options, never each other', () => {
    expect(
      offences(below('src/adapters/'), (path, file) => {
        const own = `${file.path.split('/').slice(0, 3).join('/')}/`;
        const room = ['src/ports/', 'src/core/', 'src/errors.ts', 'src/options/'];
        return isIn(path, own, ...room, ...extrasOf(file.path));
      }),
    ).toEqual([]);
  });

  it('adapters are reached only through the composition root', () => {
    expect(
      offences(files, (path, file) => {
        if (!isIn(path, 'src/adapters/') || isIn(file.path, 'src/adapters/', ...COMPOSITION)) return true;
        return isIn(path, ...extrasOf(file.path));
      }),
    ).toEqual([]);
  });

  it('the allowed extras are used, else they go', () => {
    for (const [own, { places }] of Object.entries(EXTRAS))
      for (const place of places)
        expect(offences(below(own), (path) => !isIn(path, place)).length, `${own} ${place}`).toBeGreaterThan(0);
  });

  it('client libraries are loaded by what talks to those servers, when that is known', () => {
    expect(packagesOf('src/cli/command.ts')).toEqual(['commander']);
    expect(packagesOf('src/cli/commands/status.ts')).toEqual(['commander', 'yaml']);
    expect(packagesOf('src/compose/redis.ts')).toContain('ioredis');
    for (const entry of ['src/compose/run.ts', 'src/compose/reader.ts', 'src/compose/publisher.ts', 'workers/host.ts'])
      expect(packagesOf(entry).filter((name) => /^(?:ioredis|pg|libsql|@nats-io\/.*)$/.test(name))).toEqual([]);
  });

  it('nobody imports tests, the built tree or anything outside src and workers', () => {
    expect(offences(files, (path) => isIn(path, 'src/', 'workers/'))).toEqual([]);
    for (const { path, imports } of files)
      for (const { text } of imports) expect(text, path).not.toMatch(/^(?:vitest|fast-check)$/);
  });
});
