/** Parameters of a request. Unknown and repeated ones are refused: a misspelt `after` would read too early, silently. */
import { MillraceError, messageOf } from '../errors.js';
import { duration } from '../options/quantities.js';

export class Query {
  readonly #values: ReadonlyMap<string, string>;
  readonly #problems: string[] = [];

  constructor(url: string, names: readonly string[]) {
    const values = new Map<string, string>();
    for (const [name, value] of new URL(url).searchParams) {
      if (!names.includes(name)) this.#refuse(name, `is no parameter; there are ${names.join(', ') || 'none'}`);
      else if (values.has(name)) this.#refuse(name, 'is given twice');
      else values.set(name, value);
    }
    this.#values = values;
  }

  /** What `parse` makes of the value, undefined if there is none. What `parse` throws is a problem. */
  read<T>(name: string, parse: (text: string) => T): T | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      this.#refuse(name, messageOf(error));
      return undefined;
    }
  }

  whole(name: string, min: number, max: number): number | undefined {
    return this.read(name, (text) => {
      const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new RangeError(`must be a whole number from ${min} to ${max}`);
    });
  }

  /** Milliseconds of a duration such as `5s`, from 0 on. */
  durationMs(name: string, max: string, why: string): number | undefined {
    return this.read(name, (text) => {
      const reading = duration({ max, why }).read(text);
      if (reading.kind === 'value') return reading.value;
      throw new RangeError(reading.problem);
    });
  }

  /** Two parameters where the first means nothing without the second. */
  requires(name: string, other: string): void {
    if (this.#values.has(name) && !this.#values.has(other)) this.#refuse(name, `needs ${other}`);
  }

  /** Throws REQUEST_INVALID with every problem found. Call it before the values are used. */
  check(): void {
    if (this.#problems.length === 0) return;
    const problems = this.#problems;
    throw new MillraceError('REQUEST_INVALID', problems.join('; '), { problems });
  }

  #refuse(name: string, problem: string): void {
    this.#problems.push(`${JSON.stringify(name.slice(0, 100))}: ${problem}`);
  }
}
