/** Flags of the command line, made from the option table. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { defaultText } from './default-text.js';
import { fileVariableOf, flagOf, pathOfFlag, variableOf } from './names.js';
import type { AnyRow } from './row.js';
import type { Flags } from './source.js';
import { sectionTitles } from './table.js';
import type { OptionPath, OptionSection } from './types.js';
import { optionRows, sectionOf } from './types.js';

/** Adds the flags of all options to a command, or those of some paths and whole sections (`nats`, `order.settle`). */
export function addOptionFlags(command: Command, paths?: readonly (OptionPath | OptionSection)[]): Command {
  const wanted = new Set<string>(paths ?? optionRows.keys());
  for (const [path, row] of optionRows) {
    if (!wanted.has(path) && !wanted.has(sectionOf(path))) continue;
    for (const option of optionsOf(path, row)) command.addOption(option);
  }
  return command;
}

/** The flag that --help shows, and its other spellings, hidden. */
function optionsOf(path: OptionPath, row: AnyRow): Option[] {
  const value = row.kind.placeholder === '' ? '' : ` <${row.kind.placeholder}>`;
  const name = row.flag ?? flagOf(path);
  // A secret in a flag can be read by everybody on the machine, so the other way stands beside it.
  const variables = [variableOf(path), ...row.env, fileVariableOf(path, row)].filter(Boolean).join(' or ');
  const notes = [row.fallback.kind === 'none' ? '' : `default: ${defaultText(row)}`, `env: ${variables}`];
  const shown = new Option(`--${name}${value}`, `${row.doc} (${notes.filter(Boolean).join(', ')})`);
  shown.helpGroup(`${sectionTitles[sectionOf(path)]}:`);
  const hidden = row.flag === undefined ? [] : [`--${flagOf(path)}${value}`];
  if (value === '') hidden.push(`--no-${name}`);
  const options = [shown, ...hidden.map((spelling) => new Option(spelling).hideHelp())];
  if (row.kind.placeholder === 'list') for (const option of options) option.argParser(append);
  return options;
}

/** A list flag may be repeated; the last one alone would drop the others silently. */
const append = (value: string, previous: unknown): string =>
  typeof previous === 'string' ? `${previous},${value}` : value;

/** The option flags that a parsed command was given, for `resolveOptions`; its other flags are left out. */
export function flagsOf(command: Command): Flags {
  const flags: Record<string, string | boolean> = {};
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const option of at.options) {
      const name = (option.long ?? '').replace(/^--(no-)?/, '');
      if (!pathOfFlag.has(name) || name in flags) continue;
      if (at.getOptionValueSource(option.attributeName()) !== 'cli') continue;
      flags[name] = at.getOptionValue(option.attributeName()) as string | boolean;
    }
  }
  return flags;
}
