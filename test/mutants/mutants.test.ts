/** The catalogue fits the code as it is now, and RESULTS.md speaks of exactly this catalogue. Running it is `npm run mutants`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalog } from './catalog.js';
import { builtTree, problemOfPlace } from './plant.js';
import { readResults } from './results.js';

describe('the catalogue of mutants', () => {
  it('has at least 30, each with a name of its own', () => {
    expect(catalog.length).toBeGreaterThanOrEqual(30);
    expect(new Set(catalog.map(({ id }) => id)).size).toBe(catalog.length);
  });

  it.each(catalog.map((mutant) => [mutant.id, mutant] as const))('%s: has one place in the built tree', (_, mutant) => {
    expect(problemOfPlace(mutant)).toBeUndefined();
  });

  it('names suites that exist', () => {
    const missing = catalog
      .flatMap(({ suites }) => suites)
      .filter((suite) =>
        ['test', 'suite'].every((kind) => !existsSync(join(builtTree, 'test', `${suite}.${kind}.js`))),
      );
    expect(missing).toEqual([]);
  });

  it('is what RESULTS.md lists, and all of it was caught', () => {
    const { ids, survivors } = readResults(
      readFileSync(join(dirname(builtTree), 'test', 'mutants', 'RESULTS.md'), 'utf8'),
    );
    expect(ids).toEqual(catalog.map(({ id }) => id));
    expect(survivors).toEqual([]);
  });
});
