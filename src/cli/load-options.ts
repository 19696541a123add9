/** Options of a command: its flags, the environment, and the file that `--config` or `MILLRACE_CONFIG` names. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { MillraceError } from '../errors.js';
import { addOptionFlags, flagsOf } from '../options/flags.js';
import type { ResolvedOptions } from '../options/resolve.js';
import { resolveOptions } from '../options/resolve.js';
import type { OptionPath, OptionSection } from '../options/types.js';
import type { OptionFile } from '../options/yaml-source.js';
import type { Terminal } from './terminal.js';

/** Options that say which application, and on which servers. */
export const placeOptions = ['app', 'partitions', 'nats', 'redis', 'sql', 'stream', 'event'] as const;

/** Adds `--config` and the flags of some options, of all if none are named. */
export function addOptions(command: Command, paths?: readonly (OptionPath | OptionSection)[]): Command {
  command.option('--config <file>', 'YAML file with options (env: MILLRACE_CONFIG)');
  return addOptionFlags(command, paths);
}

/** Reads what `addOptions` declared. Throws `OPTIONS_INVALID` with every problem. */
export function loadOptions(command: Command, terminal: Terminal): ResolvedOptions {
  const { config } = command.opts<{ config?: string }>();
  const path = config ?? (terminal.env.MILLRACE_CONFIG || undefined);
  const file = path === undefined ? undefined : readFile(path);
  return resolveOptions({ flags: flagsOf(command), env: terminal.env, file });
}

function readFile(path: string): OptionFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MillraceError('OPTIONS_INVALID', `the file ${path} cannot be read (${code})`, { cause });
  }
}
