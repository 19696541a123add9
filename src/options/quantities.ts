/** Quantities with a unit: durations in milliseconds and sizes in bytes, written as `2s` or `16KiB`. */
import type { Bounds, Kind } from './kind.js';
import { accept, refuse } from './kind.js';

type Units = readonly (readonly [unit: string, factor: number])[];

// Largest first: printing takes the first unit that divides.
const durationUnits: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

const sizeUnits: Units = [
  ['TiB', 2 ** 40],
  ['TB', 1e12],
  ['GiB', 2 ** 30],
  ['GB', 1e9],
  ['MiB', 2 ** 20],
  ['MB', 1e6],
  ['KiB', 1024],
  ['KB', 1000],
  ['B', 1],
];

function parse(units: Units, text: string): number | undefined {
  const parts = /^(\d{1,15})([A-Za-z]*)$/.exec(text);
  if (parts === null) return undefined;
  const factor = parts[2] === '' ? 1 : units.find(([unit]) => unit === parts[2])?.[1];
  return factor === undefined ? undefined : Number(parts[1]) * factor;
}

function print(units: Units, value: number): string {
  const unit = value === 0 ? undefined : units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? String(value) : `${value / unit[1]}${unit[0]}`;
}

/** Milliseconds of `500ms`, `2s`, `10m`, `2h`, `7d` or a plain number, or undefined if it is none of these. */
export function parseDuration(text: string): number | undefined {
  return parse(durationUnits, text);
}

/** Milliseconds in the shortest exact notation, as in `90s`. */
export function printDuration(ms: number): string {
  return print(durationUnits, ms);
}

/** Bytes of `16KiB`, `1MiB`, `1MB` or a plain number, or undefined if it is none of these. */
export function parseSize(text: string): number | undefined {
  return parse(sizeUnits, text);
}

/** Bytes in the shortest exact notation, as in `16KiB`. */
export function printSize(bytes: number): string {
  return print(sizeUnits, bytes);
}

interface Measure<Suffix extends string> {
  readonly name: string;
  readonly suffix: Suffix;
  readonly units: Units;
  /** Where the option sets no limit. */
  readonly max: string;
  readonly maxWhy: string;
  readonly examples: string;
}

/** Bounds of a quantity; `zero` allows 0 beside the range, where 0 means "no limit". */
interface QuantityBounds extends Bounds<string> {
  readonly zero?: 'allowed';
}

function quantity<S extends string>(measure: Measure<S>, bounds: QuantityBounds): Kind<string | number, number, S> {
  const { name, units } = measure;
  const min = parse(units, bounds.min ?? '0')!;
  const max = parse(units, bounds.max ?? measure.max)!;
  const maxWhy = bounds.max === undefined ? measure.maxWhy : bounds.why;
  const range = bounds.max === undefined ? `${print(units, min)} or more` : `${print(units, min)} to ${bounds.max}`;
  const pattern = `^\\d{1,15}(${units.map(([unit]) => unit).join('|')})?$`;
  const zero = bounds.zero === 'allowed' ? '0 or ' : '';
  return {
    suffix: measure.suffix,
    placeholder: name,
    allowed: `${name}, ${zero}${range}`,
    schema: {
      anyOf: [
        { type: 'string', pattern },
        { type: 'integer', minimum: zero === '' ? min : 0, maximum: max },
      ],
    },
    read(raw) {
      const value = typeof raw === 'string' ? parse(units, raw) : raw;
      if (typeof value !== 'number' || !Number.isInteger(value))
        return refuse(`must be a ${name} in whole units, such as ${measure.examples}`);
      if (zero !== '' && value === 0) return accept(value);
      if (value < min) return refuse(`must be ${zero}at least ${print(units, min)}: ${bounds.why}`);
      return value > max ? refuse(`must be at most ${print(units, max)}: ${maxWhy}`) : accept(value);
    },
    print: (value) => print(units, value),
  };
}

const unbounded: QuantityBounds = { why: 'it is a quantity' };

const durations = {
  name: 'duration',
  suffix: 'Ms',
  units: durationUnits,
  max: '36500d',
  maxWhy: 'more does not fit the nanoseconds that NATS counts in',
  examples: '500ms, 2s, 10m, 2h, 7d or a number of milliseconds',
} as const;

const sizes = {
  name: 'size',
  suffix: '',
  units: sizeUnits,
  max: '8191TiB',
  maxWhy: 'more is not counted exactly',
  examples: '16KiB, 1MiB, 1MB or a number of bytes',
} as const;

/** A duration; the engine gets milliseconds, under a name that ends in `Ms`. */
export const duration = (bounds: QuantityBounds = unbounded): Kind<string | number, number, 'Ms'> =>
  quantity(durations, bounds);

/** A size; the engine gets bytes, under the same name, which says so itself. */
export const size = (bounds: QuantityBounds = unbounded): Kind<string | number, number> => quantity(sizes, bounds);
