/** The default of an option in words. */
import type { AnyRow } from './row.js';

/** `2s`, `events.*`, `the host name` or `none`. */
export function defaultText(row: AnyRow): string {
  const { fallback } = row;
  if (fallback.kind === 'none') return 'none';
  if (fallback.kind === 'computed') return fallback.text;
  const { input } = fallback;
  if (Array.isArray(input)) return input.join(',');
  return typeof input === 'string' ? input : JSON.stringify(input);
}
