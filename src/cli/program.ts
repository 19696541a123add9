/** The command `millrace` and its subcommands. A subcommand's module, and what that needs, is loaded when it is asked for. */
import { Command } from 'commander';
import { packageVersion } from '../services/package-version.js';
import type { Terminal } from './terminal.js';

/** What a subcommand is given. */
export interface CommandHost {
  readonly terminal: Terminal;
  /** Notes the exit code of the process. */
  readonly end: (code: number) => void;
}

/** Adds arguments, flags and what is done. */
type Add = (command: Command, host: CommandHost) => void;

const subcommands: Readonly<Record<string, readonly [description: string, load: () => Promise<Add>]>> = {
  dev: [
    'Start a node and a living demo on this machine; on Ctrl-C check the final state.',
    async () => (await import('./commands/dev.js')).addDev,
  ],
  run: [
    'Run a node. It waits for NATS and Redis, and drains on SIGINT, SIGTERM and SIGHUP.',
    async () => (await import('./commands/run.js')).addRun,
  ],
  provision: [
    'Create what a node needs where it is missing, read it back, and check Redis or the SQL database.',
    async () => (await import('./commands/provision.js')).addProvision,
  ],
  publish: [
    'Publish an event, or one per line of a file or of standard input; prints stream:sequence:partition.',
    async () => (await import('./commands/publish.js')).addPublish,
  ],
  get: [
    'Print the state of a key from Redis or the SQL database; exit code 1 if no event of it was applied.',
    async () => (await import('./commands/get.js')).addGet,
  ],
  status: [
    'Show how a node is doing; exit code 1 if a partition stands still or the node is not running.',
    async () => (await import('./commands/status.js')).addStatus,
  ],
  timeline: [
    'Print what happened to a node since its start: hand-overs, restarts, halts, changes by operators.',
    async () => (await import('./commands/timeline.js')).addTimeline,
  ],
  events: ['Look at the events of the stream.', async () => (await import('./commands/events.js')).addEvents],
  why: [
    'Say what was decided about an event and why; exit code 1 if nothing is known of it.',
    async () => (await import('./commands/why.js')).addWhy,
  ],
  'dead-letters': [
    'Events that were set aside: list, show, replay, skip.',
    async () => (await import('./commands/dead-letters.js')).addDeadLetters,
  ],
  quarantine: [
    'Keys whose events wait for a decision: list, release, skip, edit.',
    async () => (await import('./commands/quarantine.js')).addQuarantine,
  ],
  verify: [
    'Compare every state with a fold of the whole stream by one thread; exit code 1 if one differs.',
    async () => (await import('./commands/verify.js')).addVerify,
  ],
  savepoint: [
    'Copy the checkpoints of an application to a file, look at one, and put it back.',
    async () => (await import('./commands/savepoint.js')).addSavepoint,
  ],
  replay: [
    'Set an application back; the next node that starts applies everything after it again.',
    async () => (await import('./commands/replay.js')).addReplay,
  ],
  doctor: [
    'Look at NATS, Redis and the clocks; exit code 1 if something endangers the guarantee.',
    async () => (await import('./commands/doctor.js')).addDoctor,
  ],
  load: [
    'Publish at a given rate, measure until events are durable, and audit the result; 1 if it is wrong.',
    async () => (await import('./commands/load.js')).addLoad,
  ],
  config: [
    'Print every option, its value and where that comes from; secrets are hidden.',
    async () => (await import('./commands/config.js')).addConfig,
  ],
  completion: [
    'Print a script that makes a shell complete the commands and flags.',
    async () => (await import('./commands/completion.js')).addCompletion,
  ],
};

/** All subcommands by name; parsing throws commander's errors and what the commands throw. */
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
    .addHelpText('after', help)
    .hook('preSubcommand', (_, command) => loadSubcommand(command, host));
  for (const [name, [description]] of Object.entries(subcommands)) program.command(name).description(description);
  return program;
}

/** Completes a subcommand of the program: until then it has a name and a description. */
export async function loadSubcommand(command: Command, host: CommandHost): Promise<void> {
  const [, load] = subcommands[command.name()]!;
  const add = await load();
  add(command, host);
}

const help = `
Exit codes: 0 ok, 1 a finding, 2 wrong usage, 3 a server cannot be reached.
Options are taken from flags, then MILLRACE_* variables, then the file of --config, then the defaults.
'millrace <command> --help' shows the arguments and flags of a command.

Example:
  $ millrace dev
`;
