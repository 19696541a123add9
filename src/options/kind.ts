/** What a kind of option is: how a value in the user's notation is read, shown, and described to an editor. */

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A value as read, or a phrase that says what it must be. */
export type Reading<V> =
  | { readonly kind: 'value'; readonly value: V }
  | { readonly kind: 'problem'; readonly problem: string };

export const accept = <V>(value: V): Reading<V> => ({ kind: 'value', value });

export const refuse = (problem: string): Reading<never> => ({ kind: 'problem', problem });

/** `Input` is the user's notation, `Value` what the engine gets, `Suffix` the unit that the engine's name ends in. */
export interface Kind<Input, Value, Suffix extends string = ''> {
  /** Type only: carries the user's notation, never set. */
  readonly input?: Input;
  readonly suffix: Suffix;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
  /** What is allowed, for docs/options.md. */
  readonly allowed: string;
  readonly schema: JsonSchema;
  // Methods, not function properties: kinds of different values stay assignable to one type.
  /** Reads text of a flag or variable, or a value of the file or the library. Refuses, never clamps. */
  read(raw: unknown): Reading<Value>;
  /** The value in the user's notation, safe to print. */
  print(value: Value): string;
  /** What of a refused text may be repeated in a message; all of it if not given. */
  readonly echo?: (raw: string) => string;
}

/** The ends of a range, in the user's notation, and why they are where they are. */
export interface Bounds<T> {
  readonly min?: T;
  readonly max?: T;
  readonly why: string;
}
