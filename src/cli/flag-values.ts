/** Values of flags that are no options of the table. What they throw is a usage error of commander. */
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../options/quantities.js';

/** Milliseconds of `500ms`, `5s`, `2m`. */
export function durationFlag(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms > 2 ** 31 - 1)
    throw new InvalidArgumentError('It must be a duration such as 500ms, 5s or 2m.');
  return ms;
}

/** A whole number from `min` to `max`. */
export function wholeFlag(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
