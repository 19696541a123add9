/** The source tree as the laws see it: TypeScript files, their code without comments, and what each imports. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository: the tests run from its `dist`, so the nearest package.json above is the one. */
const repoRoot = ((): string => {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, 'package.json'))) {
    if (dirname(at) === at) throw new Error('no package.json above the tests');
    at = dirname(at);
  }
  return at;
})();

export interface Import {
  /** As written. */
  readonly text: string;
  /** Path from the repository if it is relative, with `.ts`; else undefined. */
  readonly path: string | undefined;
  /** False for types, and for what is loaded when it is needed. */
  readonly isLoadedFirst: boolean;
}

export interface SourceFile {
  /** From the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  /** Without comments and without what stands in quotes. */
  readonly bare: string;
  readonly imports: readonly Import[];
}

/** Every TypeScript file below these folders. */
export function sourceFiles(...folders: readonly string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(join(repoRoot, folder)))
    .flatMap((folder) => readdirSync(join(repoRoot, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(repoRoot, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map((path) => sourceFile(path, readFileSync(join(repoRoot, path), 'utf8')));
}

export function sourceFile(path: string, text: string): SourceFile {
  const code = withoutComments(text);
  return { path, text, code, bare: withoutQuotes(code), imports: importsOf(path, code) };
}

/** Strings first, so that `//` and a comment's start inside them stay; then comments. */
const TOKENS = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;

function withoutComments(text: string): string {
  return text.replaceAll(TOKENS, (token) => (token.startsWith('/') ? ' ' : token));
}

function withoutQuotes(code: string): string {
  return code.replaceAll(TOKENS, (token) => (token.startsWith('`') ? token.replaceAll(/[^$]\{/g, ' ') : "''"));
}

const IMPORTS = [
  { pattern: /\b(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g, isStatic: true },
  { pattern: /\bimport\s*['"]([^'"]+)['"]/g, isStatic: true },
  { pattern: /\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g, isStatic: false },
];

function importsOf(path: string, code: string): Import[] {
  return IMPORTS.flatMap(({ pattern, isStatic }) =>
    [...code.matchAll(pattern)].map(([statement, text = '']) => {
      const isLoadedFirst = isStatic && !/^(?:import|export)\s+type\b/.test(statement);
      if (!text.startsWith('.')) return { text, path: undefined, isLoadedFirst };
      return { text, path: posix.join(posix.dirname(path), text).replace(/\.js$/, '.ts'), isLoadedFirst };
    }),
  );
}
