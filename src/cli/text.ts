/** Aligned text for people. */

/** `name  value` lines with the values in one column. */
export function fieldLines(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** Milliseconds as a person says them: `35 ms`, `1.2 s`, `3 min`. */
export function age(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** `12,345`. */
export const grouped = (value: number): string => value.toLocaleString('en-US');
