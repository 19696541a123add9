/** The plain kinds of options: text, choices, switches, whole numbers, JSON. */
import { freezeState } from '../core/actor/state-value.js';
import type { JsonObject } from '../core/event/json.js';
import { isObject } from '../core/event/json.js';
import type { Bounds, Kind, Reading } from './kind.js';
import { accept, refuse } from './kind.js';
import { didYouMean } from './suggest.js';

/** Text of one form; `phrase` says what the form is, as in "must be …". */
export function text(placeholder: string, form: RegExp, phrase: string): Kind<string, string> {
  return {
    suffix: '',
    placeholder,
    allowed: phrase,
    schema: { type: 'string', pattern: form.source },
    read(raw) {
      if (typeof raw !== 'string') return refuse(`must be text: ${phrase} (in YAML, put numbers and dates in quotes)`);
      return form.test(raw) ? accept(raw) : refuse(`must be ${phrase}`);
    },
    print: (value) => value,
  };
}

/** Path of a file; whether it can be read is found out where it is used. */
export const path = text('path', /^[^\0]+$/, 'the path of a file');

/** User names, passwords and tokens: they travel in protocol lines, where a line break would be an injection. */
export const credential = text('text', /^[^\0-\x1f\x7f]+$/, 'text without control characters');

/** One of a few words. */
export function choice<const C extends string>(...choices: C[]): Kind<C, C> {
  return {
    suffix: '',
    placeholder: choices.join('|'),
    allowed: choices.map((word) => `\`${word}\``).join(', '),
    schema: { enum: choices },
    read(raw) {
      const found = choices.find((word) => word === raw);
      if (found !== undefined) return accept(found);
      return refuse(`must be one of ${choices.join(', ')}${didYouMean(String(raw), choices)}`);
    },
    print: (value) => value,
  };
}

/** true or false; as a flag, `--name` or `--no-name`. */
export const toggle: Kind<boolean, boolean> = {
  suffix: '',
  placeholder: '',
  allowed: '`true`, `false`',
  schema: { type: 'boolean' },
  read(raw) {
    if (typeof raw === 'boolean') return accept(raw);
    return raw === 'true' || raw === 'false' ? accept(raw === 'true') : refuse('must be true or false');
  },
  print: String,
};

/** A whole number. Without a `max` it ends where numbers stop being exact. */
export function whole(bounds: Bounds<number>): Kind<number, number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, why } = bounds;
  const maxWhy = bounds.max === undefined ? 'more is not counted exactly' : why;
  return {
    suffix: '',
    placeholder: 'n',
    allowed: bounds.max === undefined ? `${min} or more` : `${min} to ${max}`,
    schema: { type: 'integer', minimum: min, ...(bounds.max === undefined ? {} : { maximum: max }) },
    read(raw) {
      const value = typeof raw === 'string' && /^-?\d{1,16}$/.test(raw) ? Number(raw) : raw;
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return refuse('must be a whole number');
      if (value < min) return refuse(`must be at least ${min}: ${why}`);
      return value > max ? refuse(`must be at most ${max}: ${maxWhy}`) : accept(value);
    },
    print: String,
  };
}

/** A whole number, or the word `auto` for one that is worked out on this machine. */
export function wholeOrAuto(bounds: Bounds<number>, auto: () => number): Kind<number | 'auto', number> {
  const number = whole(bounds);
  return {
    suffix: '',
    placeholder: 'n|auto',
    allowed: `\`auto\`, ${number.allowed}`,
    schema: { anyOf: [{ const: 'auto' }, number.schema] },
    read(raw) {
      if (raw === 'auto') return accept(auto());
      const reading = number.read(raw);
      return reading.kind === 'problem' ? refuse(`${reading.problem}, or the word auto`) : reading;
    },
    print: String,
  };
}

/** A JSON object of the user's own; it is copied, so later changes to the original do nothing. */
export const json: Kind<JsonObject, JsonObject> = {
  suffix: '',
  placeholder: 'json',
  allowed: 'a JSON object',
  schema: { type: 'object' },
  read(raw) {
    try {
      return readJson(typeof raw === 'string' ? JSON.parse(raw) : structuredClone(raw));
    } catch {
      // The reason is left out: it would repeat a piece of the text, which may hold secrets.
      return refuse('must be a JSON object');
    }
  },
  print: (value) => JSON.stringify(value),
  echo: () => '',
};

function readJson(value: unknown): Reading<JsonObject> {
  if (!isObject(value)) return refuse('must be a JSON object');
  const problem = freezeState(value, 'it');
  return problem === undefined ? accept(value) : refuse(`must be plain JSON data: ${problem}`);
}
