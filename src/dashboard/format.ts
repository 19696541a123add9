/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

/** `12,345`, or `…` for what is not known. */
export function count(value: number | null): string {
  return value === null ? '…' : whole.format(value);
}

/** `12.3K`; small ones as they are. */
export function compact(value: number | null): string {
  if (value === null) return '–';
  if (value > 0 && value < 10) return String(Math.round(value * 10) / 10);
  return short.format(Math.round(value));
}

/** `20 µs`, `35 ms`, `1.2 s`, `3 min`, `2.5 h`. */
export function duration(ms: number | null): string {
  if (ms === null) return '…';
  if (ms > 0 && ms < 0.1) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 1_000) return `${ms > 0 && ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** `120 MiB`. */
export function bytes(value: number): string {
  return `${count(value / 2 ** 20)} MiB`;
}

/** Time of day here; the whole date is for the title. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** A time as a date in UTC; what is no time as it is. */
export function date(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at);
}

/** `1 to 3, 7`. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (numbers[end + 1] === numbers[end]! + 1) end++;
    parts.push(end === at ? `${numbers[at]}` : `${numbers[at]} to ${numbers[end]}`);
    at = end + 1;
  }
  return parts.join(', ');
}
