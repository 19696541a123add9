/** The rules of the house that a compiler does not keep: purity, names, sizes, errors. */
import { describe, expect, it } from 'vitest';
import { errorTable } from '../../../src/errors.js';
import type { SourceFile } from './source-files.js';
import { sourceFile, sourceFiles } from './source-files.js';

const files = sourceFiles('src', 'workers');
const core = files.filter(({ path }) => path.startsWith('src/core/'));

/** Whatever makes the same values give another answer, or gives one later. */
const IMPURE = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bperformance\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bconsole\b/,
  /\bPromise\b/,
  /\basync\b/,
  /\bawait\b/,
  /\bprocess\b/,
  /\bglobalThis\b/,
  /\bcrypto\b/,
  /\bfetch\(/,
  /\bBuffer\b/,
];

const LINES_MAX = 300;

/** Files past 300 lines, each with its bound and its reason. A file that shrinks leaves the list; none grows past its bound. */
const LONG_FILES: Readonly<Record<string, { readonly linesMax: number; readonly reason: string }>> = {
  'src/core/actor/actor.ts': { linesMax: 570, reason: 'the life of one event, read as one straight walk' },
  'src/core/actor/key-order.ts': {
    linesMax: 400,
    reason: 'everything that may happen to a due event, and nothing else',
  },
  'src/core/actor/keyed-state.ts': {
    linesMax: 330,
    reason: 'the rows of one partition: what is dirty, wanted, waited for or idle of them',
  },
  'src/core/dedupe/dedupe-index.ts': {
    linesMax: 380,
    reason: 'one table: probing, eviction and ageing share its words',
  },
  'src/host/host.ts': { linesMax: 350, reason: 'everything that a host is told, each in one place' },
  'src/host/hosted-partition.ts': {
    linesMax: 360,
    reason: 'the life of a partition in a thread: claim, load, commit, halt',
  },
  'src/options/table.ts': { linesMax: 400, reason: 'one row per option, and every option in one table' },
};

const linesOf = ({ text }: SourceFile): number => text.split('\n').length - 1;

describe('the core', () => {
  it.each(core.map((file) => [file.path, file] as const))('%s is pure and synchronous', (_, { bare }) => {
    for (const pattern of IMPURE) expect(bare).not.toMatch(pattern);
  });

  it('is looked at without comments and quotes, and nothing else is left out', () => {
    expect(core.length).toBeGreaterThan(20);
    const { bare } = sourceFile('a.ts', "// async\n/* await */ const a = 'Promise';\nasync () => Date.now();");
    expect(bare).toMatch(/\basync\b/);
    expect(bare).toMatch(/\bDate\.now\b/);
    expect(bare).not.toMatch(/\bawait\b|\bPromise\b/);
    for (const { path, bare: code, text } of core) expect(code.length, path).toBeGreaterThan(text.length / 8);
  });
});

describe('every source file', () => {
  it('exports names, never everything and never a default', () => {
    const starred = files.filter(({ bare }) => /\bexport\s*\*/.test(bare)).map(({ path }) => path);
    const defaulted = files
      .filter(({ path }) => path.startsWith('src/'))
      .filter(({ bare }) => /\bexport\s+default\b|\bas\s+default\b/.test(bare))
      .map(({ path }) => path);
    expect({ starred, defaulted }).toEqual({ starred: [], defaulted: [] });
  });

  it('is named after one thing, in kebab-case', () => {
    const names = files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    expect(names.filter((name) => /utils?\b|helpers?\b|manager|impl\b|misc|common/i.test(name))).toEqual([]);
    expect(names.filter((name) => !/^[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(name))).toEqual([]);
  });

  it(`has at most ${LINES_MAX} lines, or a bound and a reason on the list`, () => {
    const tooLong = files
      .filter((file) => linesOf(file) > (LONG_FILES[file.path]?.linesMax ?? LINES_MAX))
      .map((file) => `${file.path}: ${linesOf(file)}`);
    expect(tooLong).toEqual([]);
    const needless = Object.keys(LONG_FILES).filter((path) => {
      const file = files.find((one) => one.path === path);
      return file === undefined || linesOf(file) <= LINES_MAX;
    });
    expect(needless).toEqual([]);
  });
});

describe('the error table', () => {
  const rows = Object.entries(errorTable);

  it.each(rows)('%s says what to do next, in a sentence', (code, { next }) => {
    expect(code).toMatch(/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/);
    expect(next).toMatch(/^[A-Z`].{10,}\.$/);
  });

  it('RejectCode is exactly the poison of the table: what is set aside can be explained, and the other way round', () => {
    const { code } = files.find(({ path }) => path === 'src/core/event/reject.ts')!;
    const union = /export type RejectCode =([^;]*);/.exec(code)![1]!;
    const codes = [...union.matchAll(/'([A-Z0-9_]+)'/g)].map((match) => match[1]!);
    const poison = rows.filter(([, { category }]) => category === 'poison').map(([name]) => name);
    expect(codes.sort()).toEqual(poison.sort());
  });

  it('the codes with which an actor halts are in the table', () => {
    const { code } = files.find(({ path }) => path === 'src/core/actor/halting.ts')!;
    const halts = [.../interface ActorHalt \{[^}]*?code:([^;]*);/.exec(code)![1]!.matchAll(/'([A-Z_]+)'/g)];
    expect(halts.length).toBeGreaterThan(0);
    for (const [, halt] of halts) expect(Object.keys(errorTable)).toContain(halt);
  });
});
