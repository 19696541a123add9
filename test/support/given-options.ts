/** Options as a test gives them, and what is wrong with them. */
import { expect } from 'vitest';
import { MillraceError } from '../../src/errors.js';
import type { OptionSources } from '../../src/options/resolve.js';
import { defaultOptions, resolveOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';

/** From the sources that are given, and no others. */
export const resolve = (sources: Partial<OptionSources> = {}) => resolveOptions({ flags: {}, env: {}, ...sources });

export const yaml = (text: string) => ({ file: { path: 'm.yaml', text } });

/** Everything that is refused at once. */
export function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError);
    expect((error as MillraceError).code).toBe('OPTIONS_INVALID');
    return (error as MillraceError).problems;
  }
  throw new Error('nothing was refused');
}

export const problemsWith = (input: unknown) => problemsOf(() => defaultOptions(input as OptionsInput));
