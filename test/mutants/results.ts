/** The table of RESULTS.md: which suite catches which mutant. Written by the runner, read by a test. */
import type { Mutant } from './mutant.js';

export interface Outcome {
  readonly mutant: Mutant;
  /** Suite and first failing test, or seed and invariant; undefined if nothing turned red. */
  readonly caughtBy: string | undefined;
  readonly seconds: number;
}

const SURVIVED = '**survived**';
const ROWS = /^\| `([a-z0-9-]+)` \| (.*) \| (.*) \|$/gm;
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

/** The whole table: a row for every mutant of `catalog`, those that were not tried as they are in `text`. */
export function resultsTable(
  catalog: readonly Mutant[],
  outcomes: readonly Outcome[],
  text: string,
  seeds: number,
): string {
  const known = new Map([...text.matchAll(ROWS)].map(([, id, , caughtBy]) => [id!, caughtBy!]));
  for (const { mutant, caughtBy } of outcomes) known.set(mutant.id, caughtBy === undefined ? SURVIVED : cell(caughtBy));
  const tried = catalog.filter(({ id }) => known.has(id));
  const caught = tried.filter(({ id }) => known.get(id) !== SURVIVED).length;
  const rows = tried.map(({ id, failure }) => `| \`${id}\` | ${cell(failure)} | ${known.get(id)} |`);
  return `# Mutants

Written by \`npm run mutants -- --write\`. Each row is a fault planted in a copy of the built tree, and the first suite
that turned red: a test file with its first failing test, or the simulator (at most ${seeds} seeds) with the seed and
the invariant. Suites are tried in the order of the catalogue, so a mutant may be caught by more than it says here.

${caught} of ${rows.length} caught.

| mutant | rule broken | caught by |
|---|---|---|
${rows.join('\n')}
`;
}

/** Ids of the rows, and those of them that survived. */
export function readResults(text: string): { readonly ids: string[]; readonly survivors: string[] } {
  const rows = [...text.matchAll(ROWS)];
  return {
    ids: rows.map(([, id]) => id!),
    survivors: rows.filter(([, , , caughtBy]) => caughtBy === SURVIVED).map(([, id]) => id!),
  };
}
