/** The types that follow from the option table: the user's notation, and what the engine gets. */
import type { AnyRow, Row } from './row.js';
import { optionTable, type sectionTitles } from './table.js';

type Table = typeof optionTable;

/** Path of an option, as in `order.settle`. */
export type OptionPath = keyof Table;

/** A section of options, as in `order`. */
export type OptionSection = Exclude<keyof typeof sectionTitles, ''>;

type InputOf<P extends OptionPath> = Table[P] extends Row<infer I, infer _V, infer _S, infer _P> ? I : never;

/** What the engine gets for an option. */
export type ValueOf<P extends OptionPath> = Table[P] extends Row<infer _I, infer V, infer _S, infer _P> ? V : never;

/** Name in the resolved options: the row's own, or the path with the unit of its kind. */
type PropertyOf<P extends OptionPath> = Table[P]['property'] extends string
  ? Table[P]['property']
  : `${P}${Table[P]['kind']['suffix']}`;

type Head<K> = K extends `${infer H}.${string}` ? H : K;

/** The part of a flat record that lies under one name. */
type Under<Flat, H> = { [K in keyof Flat as K extends `${H & string}.${infer Rest}` ? Rest : never]: Flat[K] };

/** Written out, so that an editor shows the properties and not how they were computed. */
type Expanded<T> = T extends infer Plain ? { readonly [K in keyof Plain]: Plain[K] } : never;

type Nested<Flat> = Expanded<{
  readonly [K in keyof Flat as Head<K>]: K extends `${infer H}.${string}` ? Nested<Under<Flat, H>> : Flat[K];
}>;

type NestedInput<Flat> = Expanded<{
  readonly [K in keyof Flat as Head<K>]?:
    | (K extends `${infer H}.${string}` ? NestedInput<Under<Flat, H>> : Flat[K])
    | undefined;
}>;

/** All options as the engine uses them: nested, deeply frozen, quantities in the unit that their name ends in. */
export type Options = Nested<{ [P in OptionPath as PropertyOf<P>]: ValueOf<P> }>;

/** Any part of the options in the user's notation: `{ order: { settle: '5s' }, limits: { payloadBytes: '64KiB' } }`. */
export type OptionsInput = NestedInput<{ [P in OptionPath]: InputOf<P> }>;

/** The table for code that walks it. */
export const optionRows: ReadonlyMap<OptionPath, AnyRow> = new Map(
  Object.entries(optionTable as Readonly<Record<string, AnyRow>>) as [OptionPath, AnyRow][],
);

/** The section of a path, or '' for a top-level option. */
export function sectionOf(path: OptionPath): OptionSection | '' {
  const dot = path.indexOf('.');
  return dot < 0 ? '' : (path.slice(0, dot) as OptionSection);
}
