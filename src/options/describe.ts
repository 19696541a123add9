/** What `millrace config` prints: each option, its value, and where that comes from. */
import type { Origin, ResolvedOptions } from './resolve.js';
import { NONE } from './resolve.js';

/** Aligned text, one option per line. Secrets and credentials in URLs are hidden. */
export function describeOptions(resolved: ResolvedOptions): string {
  const rows = [...resolved.origins].map(([path, { value, origin }]) => [path, value, origin] as const);
  const pathWidth = Math.max(...rows.map(([path]) => path.length));
  // One long value must not push all origins out of sight.
  const valueWidth = Math.min(40, Math.max(...rows.map(([, value]) => value.length)));
  const line = (row: readonly [string, string, string]): string =>
    `${row[0].padEnd(pathWidth)}  ${row[1].padEnd(valueWidth)}  ${row[2]}\n`;
  return rows.map(line).join('');
}

/** The same as data: by path the value in the user's notation, null if there is none, and its origin. */
export function describeOptionsJson(
  resolved: ResolvedOptions,
): Record<string, { value: string | null; origin: string }> {
  const entry = ({ value, origin }: Origin) => ({ value: value === NONE ? null : value, origin });
  return Object.fromEntries([...resolved.origins].map(([path, found]) => [path, entry(found)]));
}
