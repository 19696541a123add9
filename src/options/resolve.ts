/** From what people wrote to the options that the engine uses: one walk over the table, all problems at once. */
import { MillraceError } from '../errors.js';
import { crossChecks } from './cross-checks.js';
import type { Reading } from './kind.js';
import { accept, refuse } from './kind.js';
import type { AnyRow } from './row.js';
import type { Environment, Flags, Setting, Source } from './source.js';
import { branchesOf, emptySource, environmentSource, flagSource, treeSource } from './source.js';
import type { OptionPath, Options, OptionsInput } from './types.js';
import { optionRows } from './types.js';
import type { OptionFile } from './yaml-source.js';
import { yamlSource } from './yaml-source.js';

/** Everywhere an option may be given. A flag goes before the environment, that before the file, that before the default. */
export interface OptionSources {
  readonly flags: Flags;
  readonly env: Environment;
  readonly file?: OptionFile | undefined;
}

/** A value as it may be shown, secrets hidden, and where it comes from: `flag --x`, `env X`, `file path:line`, `default`. */
export interface Origin {
  readonly value: string;
  readonly origin: string;
}

/** Options, and for every path where its value comes from. */
export interface ResolvedOptions {
  readonly options: Options;
  readonly origins: ReadonlyMap<OptionPath, Origin>;
}

/** Shown for an option that is not set and has no default. */
export const NONE = '(none)';

/** Shown for a secret that is set. */
const HIDDEN = '(hidden)';

/** Options from flags, environment and file. Throws `OPTIONS_INVALID` with every problem that was found. */
export function resolveOptions(sources: OptionSources): ResolvedOptions {
  const file = sources.file === undefined ? emptySource : yamlSource(sources.file);
  return resolve([flagSource(sources.flags), environmentSource(sources.env), file]);
}

/** The defaults, with `input` in the user's notation over them. Throws `OPTIONS_INVALID` like `resolveOptions`. */
export function defaultOptions(input: OptionsInput = {}): Options {
  return resolve([treeSource(branchesOf(input, 'argument') ?? [])]).options;
}

/** First source wins. */
function resolve(sources: readonly Source[]): ResolvedOptions {
  const given = new Map<OptionPath, Setting>();
  for (const source of [...sources].reverse()) {
    for (const [path, setting] of source.settings) given.set(path, setting);
  }
  const { values, problems } = readAll(given);
  const all = [...sources.flatMap((source) => source.problems), ...problems, ...disagreements(values, given)];
  if (all.length > 0) throw invalid(all);
  const origins = [...optionRows].map(([path, row]): [OptionPath, Origin] => [
    path,
    { value: shown(row, values.get(path)), origin: given.get(path)?.origin ?? 'default' },
  ]);
  return { options: nest(values), origins: new Map(origins) };
}

/** Every value that could be read; a path that could not is missing, one that is not set is undefined. */
function readAll(given: ReadonlyMap<OptionPath, Setting>) {
  const values = new Map<OptionPath, unknown>();
  const problems: string[] = [];
  const isComputed = ([path, row]: [OptionPath, AnyRow]) => row.fallback.kind === 'computed' && !given.has(path);
  const rows = [...optionRows];
  // Computed defaults look at other values, so they come last.
  for (const [path, row] of [...rows.filter((each) => !isComputed(each)), ...rows.filter(isComputed)]) {
    const setting = given.get(path) ?? defaultSetting(row, values);
    const reading = setting === undefined ? accept(undefined) : read(row, setting);
    if (reading.kind === 'value') values.set(path, reading.value);
    else problems.push(`${path} ${reading.problem}`);
  }
  return { values, problems };
}

function disagreements(
  values: ReadonlyMap<OptionPath, unknown>,
  given: ReadonlyMap<OptionPath, Setting>,
): readonly string[] {
  const paths = new Set(given.keys());
  return crossChecks.flatMap((check) => {
    if (!check.paths.every((path) => values.has(path))) return [];
    const problem = check.find(
      check.paths.map((path) => values.get(path)),
      paths,
    );
    return problem === undefined ? [] : [problem];
  });
}

function defaultSetting(row: AnyRow, values: ReadonlyMap<OptionPath, unknown>): Setting | undefined {
  const { fallback } = row;
  if (fallback.kind === 'none') return undefined;
  return { raw: fallback.kind === 'fixed' ? fallback.input : fallback.compute(values), origin: 'default' };
}

/** Reads one setting, or says what is wrong with it and where it stands. */
function read(row: AnyRow, { raw, origin }: Setting): Reading<unknown> {
  if (raw === null || raw === '') return refuse(`is empty (${origin}); leave it out to get the default`);
  const reading = row.kind.read(raw);
  if (reading.kind === 'value') return reading;
  const echoed = echo(row, raw);
  return refuse(`${reading.problem} (${origin}${echoed === '' ? '' : `: ${echoed}`})`);
}

const ECHO_MAX = 80;

/** The refused value, as much of it as may be repeated. */
function echo(row: AnyRow, raw: unknown): string {
  if (row.secret || (row.kind.echo !== undefined && typeof raw !== 'string')) return '';
  const text = typeof raw === 'string' ? (row.kind.echo?.(raw) ?? raw) : raw;
  if (text === '') return '';
  const shown = JSON.stringify(text) ?? String(text);
  return shown.length > ECHO_MAX ? `${shown.slice(0, ECHO_MAX)}…` : shown;
}

function shown(row: AnyRow, value: unknown): string {
  if (value === undefined || value === null) return NONE;
  return row.secret ? HIDDEN : row.kind.print(value);
}

function invalid(problems: readonly string[]): MillraceError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new MillraceError('OPTIONS_INVALID', `${count} with the options: ${problems.join(' · ')}`, { problems });
}

interface Nest {
  [name: string]: unknown;
}

/** The values under the engine's names, nested and deeply frozen. */
function nest(values: ReadonlyMap<OptionPath, unknown>): Options {
  const root: Nest = {};
  for (const [path, row] of optionRows) {
    const names = (row.property ?? `${path}${row.kind.suffix}`).split('.');
    let at = root;
    for (const name of names.slice(0, -1)) {
      at[name] ??= {};
      at = at[name] as Nest;
    }
    at[names.at(-1)!] = values.get(path);
  }
  return deepFreeze(root) as unknown as Options;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
