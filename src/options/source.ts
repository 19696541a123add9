/** Where settings come from, before anything is validated: flags, environment, a nested tree (file or library). */
import { readFileSync } from 'node:fs';
import { fileVariableOf, knownVariables, pathOfFlag, variableOf } from './names.js';
import type { AnyRow } from './row.js';
import { didYouMean } from './suggest.js';
import { sectionTitles } from './table.js';
import type { OptionPath } from './types.js';
import { optionRows } from './types.js';

/** One value as somebody wrote it, and where. */
export interface Setting {
  readonly raw: unknown;
  readonly origin: string;
}

/** What one source says, and what is wrong with how it says it. */
export interface Source {
  readonly settings: ReadonlyMap<OptionPath, Setting>;
  readonly problems: readonly string[];
}

/** Flags as given, by name without dashes: `{ 'order-settle': '5s', 'accept-gap': true }`. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const emptySource: Source = { settings: new Map(), problems: [] };

export function flagSource(flags: Flags): Source {
  const settings = new Map<OptionPath, Setting>();
  const problems: string[] = [];
  for (const [name, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const path = pathOfFlag.get(name);
    if (path === undefined) problems.push(`--${name} is not a flag${didYouMean(`--${name}`, flagNames)}`);
    else if (settings.has(path))
      problems.push(`${path} is given twice, as ${settings.get(path)?.origin} and --${name}`);
    else settings.set(path, { raw, origin: raw === false ? `flag --no-${name}` : `flag --${name}` });
  }
  return { settings, problems };
}

const flagNames = [...pathOfFlag.keys()].map((name) => `--${name}`);

export function environmentSource(env: Environment): Source {
  const settings = new Map<OptionPath, Setting>();
  const problems: string[] = [];
  for (const [path, row] of optionRows) {
    const found = fromEnvironment(path, row, env);
    if (typeof found === 'string') problems.push(found);
    else if (found !== undefined) settings.set(path, found);
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith('MILLRACE_') || knownVariables.has(name) || isServiceLink(name, env)) continue;
    problems.push(`${name} is not a variable of Millrace${didYouMean(name, knownVariables)}`);
  }
  return { settings, problems };
}

/** Millrace's own variable goes before the general one (`NATS_URL`): it is meant for this program alone. */
function fromEnvironment(path: OptionPath, row: AnyRow, env: Environment): Setting | string | undefined {
  const own = variableOf(path);
  const file = fileVariableOf(path, row);
  const ownGiven = env[own] !== undefined && !isServiceLink(own, env);
  if (file !== undefined && env[file] !== undefined) {
    return ownGiven ? `${own} and ${file} are both set; unset one of them` : fromFile(file, env[file]);
  }
  const name = ownGiven ? own : row.env.find((other) => env[other] !== undefined);
  return name === undefined ? undefined : { raw: env[name], origin: `env ${name}` };
}

/** A mounted secret: the file's text without the line break that editors put at its end. */
function fromFile(variable: string, file: string): Setting | string {
  try {
    return { raw: readFileSync(file, 'utf8').replace(/\r?\n$/, ''), origin: `env ${variable}` };
  } catch (error) {
    // Without the path: whoever put the secret itself there must not find it in the log.
    return `${variable} must be the path of a file that can be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

/**
 * Kubernetes gives every pod variables for every Service of its namespace: a Service named `millrace-http` makes
 * `MILLRACE_HTTP_SERVICE_HOST` and `MILLRACE_HTTP_PORT=tcp://10.0.0.1:4480`. They are not meant for us.
 */
function isServiceLink(name: string, env: Environment): boolean {
  const service = /^(.+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_.+)?)$/.exec(
    name,
  )?.[1];
  if (service === undefined || env[`${service}_SERVICE_HOST`] === undefined) return false;
  return !name.endsWith('_PORT') || /_(SERVICE|TCP|UDP|SCTP)_PORT$/.test(name) || /^\w+:\/\//.test(env[name] ?? '');
}

/** A nested setting as a file or the library has it. */
export interface Branch {
  readonly name: string;
  readonly value: unknown;
  readonly origin: string;
  /** What lies under it, if it is a mapping. */
  readonly branches: readonly Branch[] | undefined;
}

export function treeSource(tree: readonly Branch[]): Source {
  const settings = new Map<OptionPath, Setting>();
  const problems: string[] = [];
  const walk = (branches: readonly Branch[], prefix: string): void => {
    for (const { name, value, origin, branches: under } of branches) {
      const path = `${prefix}${name}`;
      const row = name.includes('.') ? undefined : optionRows.get(path as OptionPath);
      if (row !== undefined) {
        // In YAML, `credentials:` with nothing behind it says that there are none.
        if (value !== null || row.fallback.kind !== 'none') settings.set(path as OptionPath, { raw: value, origin });
      } else if (prefix === '' && sectionNames.has(name)) {
        if (under !== undefined) walk(under, `${name}.`);
        else if (value !== null) problems.push(`${path} is a section with options of its own (${origin})`);
      } else if (name.includes('.')) {
        problems.push(`${path} is not an option (${origin}); sections are nested, without dots in their names`);
      } else {
        problems.push(`${path} is not an option (${origin})${didYouMean(path, treeNames)}`);
      }
    }
  };
  walk(tree, '');
  return { settings, problems };
}

const sectionNames: ReadonlySet<string> = new Set(Object.keys(sectionTitles).filter((name) => name !== ''));
const treeNames = [...optionRows.keys(), ...sectionNames];

/** The tree of a plain object; what is undefined counts as not given. */
export function branchesOf(value: unknown, origin: string): readonly Branch[] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.entries(value).flatMap(([name, child]): Branch[] =>
    child === undefined ? [] : [{ name, value: child, origin, branches: branchesOf(child, origin) }],
  );
}
