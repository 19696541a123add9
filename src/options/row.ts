/** A row of the option table, and the three ways to write one. */
import type { Kind } from './kind.js';

/** What holds where nobody says anything. */
type Default<Input> =
  | { readonly kind: 'fixed'; readonly input: Input }
  | { readonly kind: 'none' }
  /** Worked out from the machine or from other options; `text` says how. */
  | { readonly kind: 'computed'; readonly text: string; compute(values: ReadonlyMap<string, unknown>): Input };

/** What few rows need beside kind, default and doc. */
interface Extras<Property extends string | undefined> {
  /** Never printed; may be read from a file that `MILLRACE_<PATH>_FILE` names. */
  readonly secret?: boolean;
  /** May be read from a file that `MILLRACE_<PATH>_FILE` names, since it may carry a secret. */
  readonly fromFile?: boolean;
  /** More environment variables; the one that follows from the path goes before them. */
  readonly env?: readonly string[];
  /** Another flag, shown in --help in place of the one that follows from the path, which works too. */
  readonly flag?: string;
  /** Name in the resolved options, where it is not the path with its unit. */
  readonly property?: Property;
}

/** One option: its kind, default and meaning, and where it may be given. */
export interface Row<Input, Value, Suffix extends string, Property extends string | undefined> {
  readonly kind: Kind<Input, NonNullable<Value>, Suffix>;
  readonly fallback: Default<Input>;
  /** What it is for, as whole sentences; the first stands alone. */
  readonly doc: string;
  readonly secret: boolean;
  readonly fromFile: boolean;
  readonly env: readonly string[];
  readonly flag: string | undefined;
  readonly property: Property;
  /** Type only: what the engine gets, never set. */
  readonly value?: Value;
}

/** A row of any kind, as the code that walks the table sees it. */
export type AnyRow = Row<unknown, unknown, string, string | undefined>;

function row<I, V, S extends string, P extends string | undefined>(
  kind: Kind<I, NonNullable<V>, S>,
  fallback: Default<I>,
  doc: string,
  extras: Extras<P>,
): Row<I, V, S, P> {
  const { secret = false, fromFile = secret, env = [], flag, property } = extras;
  return { kind, fallback, doc, secret, fromFile, env, flag, property: property as P };
}

/** An option with a fixed default. */
export function option<I, V extends {}, S extends string, const P extends string | undefined = undefined>(
  kind: Kind<I, V, S>,
  input: I,
  doc: string,
  extras: Extras<P> = {},
): Row<I, V, S, P> {
  return row<I, V, S, P>(kind as Kind<I, NonNullable<V>, S>, { kind: 'fixed', input }, doc, extras);
}

/** An option that may be left out, and then is undefined. */
export function optional<I, V extends {}, S extends string, const P extends string | undefined = undefined>(
  kind: Kind<I, V, S>,
  doc: string,
  extras: Extras<P> = {},
): Row<I, V | undefined, S, P> {
  return row<I, V | undefined, S, P>(kind as Kind<I, NonNullable<V>, S>, { kind: 'none' }, doc, extras);
}

/** An option whose default is worked out; `text` says how, in a few words. */
export function computed<I, V extends {}, S extends string, const P extends string | undefined = undefined>(
  kind: Kind<I, V, S>,
  text: string,
  compute: (values: ReadonlyMap<string, unknown>) => I,
  doc: string,
  extras: Extras<P> = {},
): Row<I, V, S, P> {
  return row<I, V, S, P>(kind as Kind<I, NonNullable<V>, S>, { kind: 'computed', text, compute }, doc, extras);
}
