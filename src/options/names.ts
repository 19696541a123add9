/** How an option is called on the command line and in the environment. */
import type { AnyRow } from './row.js';
import type { OptionPath } from './types.js';
import { optionRows } from './types.js';

/** Variables that Millrace reads elsewhere: they are no options, and not mistyped ones either. */
export const otherVariables: readonly string[] = [
  'MILLRACE_CACHE',
  'MILLRACE_NATS_SERVER',
  'MILLRACE_REDIS_SERVER',
  'MILLRACE_CONFIG',
  'MILLRACE_URL',
];

const words = (path: string): string[] => path.replaceAll(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split('.');

/** `MILLRACE_ORDER_AHEAD_MAX` for `order.aheadMax`. */
export function variableOf(path: OptionPath): string {
  return `MILLRACE_${words(path).join('_').toUpperCase()}`;
}

/** The variable that names a file with the value, or undefined if the option is not read from one. */
export function fileVariableOf(path: OptionPath, row: AnyRow): string | undefined {
  return row.fromFile ? `${variableOf(path)}_FILE` : undefined;
}

/** `order-ahead-max` for `order.aheadMax`. */
export function flagOf(path: OptionPath): string {
  return words(path).join('-');
}

/** Every flag, by its name without dashes. */
export const pathOfFlag: ReadonlyMap<string, OptionPath> = new Map(
  [...optionRows].flatMap(([path, row]): [string, OptionPath][] => [
    [flagOf(path), path],
    ...(row.flag === undefined ? [] : ([[row.flag, path]] as [string, OptionPath][])),
  ]),
);

/** Every variable that begins with `MILLRACE_` and is known. */
export const knownVariables: ReadonlySet<string> = new Set([
  ...otherVariables,
  ...[...optionRows].flatMap(([path, row]) => [variableOf(path), fileVariableOf(path, row) ?? variableOf(path)]),
]);
