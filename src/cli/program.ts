/** The command `millrace` and its subcommands. */
import { Command } from 'commander';
import { packageVersion } from '../services/package-version.js';
import { addCompletion } from './commands/completion.js';
import { addConfig } from './commands/config.js';
import { addDeadLetters } from './commands/dead-letters.js';
import { addDev } from './commands/dev.js';
import { addDoctor } from './commands/doctor.js';
import { addEvents } from './commands/events.js';
import { addGet } from './commands/get.js';
import { addLoad } from './commands/load.js';
import { addProvision } from './commands/provision.js';
import { addPublish } from './commands/publish.js';
import { addQuarantine } from './commands/quarantine.js';
import { addReplay } from './commands/replay.js';
import { addRun } from './commands/run.js';
import { addSavepoint } from './commands/savepoint.js';
import { addStatus } from './commands/status.js';
import { addTimeline } from './commands/timeline.js';
import { addVerify } from './commands/verify.js';
import { addWhy } from './commands/why.js';
import type { Terminal } from './terminal.js';

/** What a subcommand is given. */
export interface CommandHost {
  readonly terminal: Terminal;
  /** Notes the exit code of the process. */
  readonly end: (code: number) => void;
}

/** All subcommands; parsing throws commander's errors and what the commands throw. */
export function createProgram(host: CommandHost): Command {
  const { terminal } = host;
  const program = new Command('millrace')
    .description('Ordered, exactly-once state per key for NATS JetStream; state in Redis.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('--help', 'show this help')
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureOutput({ writeOut: (text) => terminal.raw(text), writeErr: (text) => terminal.err(text.trimEnd()) })
    .exitOverride()
    .addHelpText('after', help);
  const inspecting = [addGet, addStatus, addTimeline, addEvents, addWhy, addDeadLetters, addQuarantine];
  const keeping = [addVerify, addSavepoint, addReplay, addDoctor, addLoad];
  for (const add of [addDev, addRun, addProvision, addPublish, ...inspecting, ...keeping, addConfig, addCompletion])
    add(program, host);
  return program;
}

const help = `
Exit codes: 0 ok, 1 a finding, 2 wrong usage, 3 a server cannot be reached.
Options are taken from flags, then MILLRACE_* variables, then the file of --config, then the defaults.

Example:
  $ millrace dev
`;
