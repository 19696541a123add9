/** `millrace quarantine`: keys whose events wait, in order, for an operator's decision. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { QuarantineReport } from '../../runtime/explain.js';
import { type AskOptions, addressOf, addUrl, askNode, type NodeAnswer } from '../ask-node.js';
import { readEventFile } from '../event-file.js';
import { exitCode } from '../exit-codes.js';
import { wholeFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { date, oneLine, table } from '../text.js';

interface Flags {
  readonly url?: string;
  readonly partition?: number;
  readonly json?: boolean;
}

type Listed = QuarantineReport & { readonly total: number };

interface Changed {
  readonly again: boolean;
  readonly key: string;
  readonly partition: number;
}

const PARTITION_MAX = 4_095;

export function addQuarantine(command: Command, host: CommandHost): void {
  command.addHelpText('after', help);
  addList(command, host);
  addChange(command, host, 'release', 'Try the event again, then those behind it.', 'account-7');
  addChange(command, host, 'skip', 'Make the event a dead letter, or give up missing numbers, and go on.', 'account-7');
  addEdit(command, host);
}

const help = `
Examples:
  $ millrace quarantine ls
  $ millrace quarantine release account-7
`;

/** Exit code 1 if a partition did not answer: the list may then lack keys. */
function addList(parent: Command, { terminal, end }: CommandHost): void {
  const command = parent
    .command('ls')
    .description('List quarantined keys, oldest first; exit code 1 if a partition does not answer.')
    .addOption(new Option('--partition <n>', 'only those of this partition').argParser(wholeFlag(0, PARTITION_MAX)))
    .addHelpText('after', '\nExample:\n  $ millrace quarantine ls --json\n');
  withNode(command).action(async (flags: Flags, self: Command) => {
    const { body } = await asked<Listed>(`/v1/quarantine${queryOf(flags)}`, flags, self, { terminal, end });
    terminal.out(flags.json === true ? JSON.stringify(body) : listText(body));
    end(body.unanswered.length === 0 ? exitCode.ok : exitCode.finding);
  });
}

function addChange(
  parent: Command,
  host: CommandHost,
  action: 'release' | 'skip',
  description: string,
  example: string,
): void {
  const command = parent
    .command(action)
    .description(`${description} Exit code 1 if the key is quarantined again.`)
    .argument('<key>', 'key that is quarantined')
    .addOption(partitionOption())
    .addHelpText('after', `\nExample:\n  $ millrace quarantine ${action} ${example}\n`);
  withNode(command).action((key: string, flags: Flags, self: Command) => decide(key, { action }, flags, self, host));
}

function addEdit(parent: Command, host: CommandHost): void {
  const command = parent
    .command('edit')
    .description("Put another body in the event's place and try that. Exit code 1 if the key is quarantined again.")
    .argument('<key>', 'key that is quarantined')
    .requiredOption('--file <file>', 'the whole body of the event, JSON; its key, time and sequence must stay')
    .addOption(partitionOption())
    .addHelpText('after', '\nExample:\n  $ millrace quarantine edit account-7 --file body.json\n');
  withNode(command).action((key: string, flags: Flags & { readonly file: string }, self: Command) =>
    decide(key, { action: 'edit', body: readEventFile(flags.file) }, flags, self, host),
  );
}

function partitionOption(): Option {
  const doc = "partition where the event lies, if it is not the key's own";
  return new Option('--partition <n>', doc).argParser(wholeFlag(0, PARTITION_MAX));
}

async function decide(key: string, change: object, flags: Flags, self: Command, host: CommandHost): Promise<void> {
  const path = `/v1/quarantine/${encodeURIComponent(key)}${queryOf(flags)}`;
  const { body } = await asked<Changed>(path, flags, self, host, { change });
  host.terminal.out(flags.json === true ? JSON.stringify(body) : changedText(body));
  host.end(body.again ? exitCode.finding : exitCode.ok);
}

function changedText({ key, partition, again }: Changed): string {
  const outcome = again ? 'is quarantined again, see `millrace quarantine ls`' : 'goes on';
  return `stored: key ${oneLine(key)} of partition ${partition} ${outcome}`;
}

function listText({ quarantined, total, unanswered }: Listed): string {
  const rows = quarantined.map(({ partition, key, sequence, parked, since, code, problems }) => [
    String(partition),
    oneLine(key),
    String(sequence),
    String(parked),
    date(since),
    oneLine(`${code}: ${problems.join('; ')}`),
  ]);
  const heads = ['partition', 'key', 'sequence', 'parked', 'since', 'reason'];
  const lines = rows.length === 0 ? ['no key is quarantined'] : [table(heads, rows)];
  if (total > rows.length) lines.push(`${total - rows.length} more`);
  const silent = unanswered.map(
    ({ partition, message }) => `partition ${partition} did not answer: ${oneLine(message)}`,
  );
  return [...lines, ...silent].join('\n');
}

const queryOf = ({ partition }: Flags): string => (partition === undefined ? '' : `?partition=${partition}`);

function withNode(command: Command): Command {
  return addOptions(addUrl(command).option('--json', 'print JSON'), ['http']);
}

function asked<T>(
  path: string,
  flags: Flags,
  self: Command,
  { terminal }: CommandHost,
  options?: AskOptions,
): Promise<NodeAnswer<T>> {
  return askNode(addressOf(flags, loadOptions(self, terminal).options, terminal.env), path, options);
}
