/** `millrace dead-letters`: events that were set aside; a look at them, and what an operator decides. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { openReader } from '../../compose/reader.js';
import type { DeadLetter } from '../../core/checkpoint/commit.js';
import { MillraceError } from '../../errors.js';
import { type LetterView, readLetter } from '../../http/dead-letter.js';
import { type Letters, listLetters } from '../../http/get-dead-letters.js';
import { flagsOf } from '../../options/flags.js';
import { addressOf, addUrl, askNode } from '../ask-node.js';
import { readEventFile } from '../event-file.js';
import { exitCode } from '../exit-codes.js';
import { wholeFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { date, fieldLines, oneLine, table } from '../text.js';

interface Flags {
  readonly url?: string;
  readonly json?: boolean;
}

interface Place extends Flags {
  readonly partition: number;
  readonly sequence: number;
}

interface Listing extends Flags {
  readonly partition?: number;
  readonly after?: number;
  readonly limit: number;
}

type LetterStore = Awaited<ReturnType<typeof openReader>>['store'];

const LIMIT = 100;
const LIMIT_MAX = 1_000;

export function addDeadLetters(command: Command, host: CommandHost): void {
  command.addHelpText('after', help);
  addList(command, host);
  addShow(command, host);
  addChange(command, host, 'replay', 'Apply the event now, once, with another body if there is a file.');
  addChange(command, host, 'skip', 'Give the event up: its letter is removed.');
}

const help = `
Examples:
  $ millrace dead-letters ls
  $ millrace dead-letters replay --partition 17 --sequence 1234 --file body.json
`;

function addList(parent: Command, host: CommandHost): void {
  const command = parent
    .command('ls')
    .description('List dead letters by partition and sequence; with --redis or --sql without a node.')
    .addOption(partitionOption())
    .addOption(sequenceOption('--after <sequence>', 'only those after this sequence of the partition'))
    .addOption(new Option('--limit <n>', 'at most so many').default(LIMIT).argParser(wholeFlag(1, LIMIT_MAX)))
    .addHelpText('after', '\nExample:\n  $ millrace dead-letters ls --partition 17\n');
  withNodeOrStore(command).action(async (flags: Listing, self: Command) => {
    const { partition, after, limit } = flags;
    if (after !== undefined && partition === undefined)
      throw new MillraceError('REQUEST_INVALID', '--after needs --partition: every partition has its own letters');
    const wanted = { partition, after, limit };
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) query.set(name, String(value));
    const letters = await read(self, flags, host, {
      path: `/v1/dead-letters?${query}`,
      direct: (store, partitions) => listLetters(store, partitions, wanted),
    });
    host.terminal.out(flags.json === true ? JSON.stringify(letters) : listText(letters));
    host.end(exitCode.ok);
  });
}

function addShow(parent: Command, host: CommandHost): void {
  const command = parent
    .command('show')
    .description('Show one dead letter with its body; with --redis or --sql without a node.')
    .addHelpText('after', '\nExample:\n  $ millrace dead-letters show --partition 17 --sequence 1234\n');
  withNodeOrStore(addPlace(command)).action(async (flags: Place, self: Command) => {
    const { partition, sequence } = flags;
    const letter = await read(self, flags, host, {
      path: pathOf(flags),
      direct: (store) => readLetter(store, partition, sequence),
    });
    host.terminal.out(flags.json === true ? JSON.stringify(letter) : letterText(letter));
    host.end(exitCode.ok);
  });
}

function addChange(parent: Command, { terminal, end }: CommandHost, action: 'replay' | 'skip', doc: string): void {
  const command = addPlace(parent.command(action).description(doc));
  if (action === 'replay') command.option('--file <file>', "JSON that takes the place of the event's body");
  command
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  $ millrace dead-letters ${action} --partition 17 --sequence 1234\n`);
  addOptions(addUrl(command), ['http']).action(async (flags: Place & { readonly file?: string }, self: Command) => {
    const body = flags.file === undefined ? {} : { body: readEventFile(flags.file) };
    const address = addressOf(flags, loadOptions(self, terminal).options, terminal.env);
    const answer = await askNode(address, pathOf(flags), { change: { action, ...body } });
    const done = `stored: event ${flags.sequence} is ${action === 'replay' ? 'applied' : 'given up'}, its letter is gone`;
    terminal.out(flags.json === true ? JSON.stringify(answer.body) : done);
    end(exitCode.ok);
  });
}

function addPlace(command: Command): Command {
  return command
    .addOption(partitionOption().makeOptionMandatory())
    .addOption(sequenceOption('--sequence <n>', 'stream sequence of the event').makeOptionMandatory());
}

const partitionOption = (): Option =>
  new Option('--partition <n>', 'partition of the letter').argParser(wholeFlag(0, 4_095));
const sequenceOption = (flags: string, doc: string): Option =>
  new Option(flags, doc).argParser(wholeFlag(0, Number.MAX_SAFE_INTEGER));
const pathOf = ({ partition, sequence }: Place): string => `/v1/dead-letters/${partition}/${sequence}`;

function withNodeOrStore(command: Command): Command {
  return addOptions(addUrl(command).option('--json', 'print JSON'), ['http', 'app', 'partitions', 'redis', 'sql']);
}

/** From the node, or from the store where a flag names it. The environment does not count: a node's own is often here too. */
async function read<T>(
  self: Command,
  flags: Flags,
  { terminal }: CommandHost,
  { path, direct }: { path: string; direct: (store: LetterStore, partitions: number) => Promise<T> },
): Promise<T> {
  const { options } = loadOptions(self, terminal);
  const given = flagsOf(self);
  if (!['redis', 'redis-url', 'sql', 'sql-url'].some((flag) => flag in given))
    return (await askNode<T>(addressOf(flags, options, terminal.env), path)).body;
  if (flags.url !== undefined)
    throw new MillraceError('REQUEST_INVALID', '--url excludes --redis and --sql: ask the node, or read the store');
  const { store, close } = await openReader(options, quietLine(terminal));
  try {
    return await direct(store, options.partitions);
  } finally {
    await close();
  }
}

function listText({ deadLetters, next }: Letters): string {
  if (deadLetters.length === 0) return 'there are no dead letters';
  const row = ({ partition, sequence, key, id, code, problems }: DeadLetter & { partition: number }): string[] => [
    String(partition),
    String(sequence),
    oneLine(key ?? '-'),
    oneLine(id ?? '-'),
    oneLine(`${code}: ${problems.join('; ')}`),
  ];
  const listed = table(['partition', 'sequence', 'key', 'id', 'reason'], deadLetters.map(row));
  return next === null ? listed : `${listed}\nmore: --partition ${next.partition} --after ${next.after}`;
}

function bytesText({ decoded, encoding, wholeBytes }: LetterView): string {
  const bytes =
    wholeBytes === undefined ? `${decoded.bytes} bytes` : `the first ${decoded.bytes} of ${wholeBytes} bytes`;
  return encoding === 'base64' ? `${bytes}, not UTF-8` : bytes;
}

function letterText(letter: LetterView): string {
  const { partition, sequence, code, problems, key, id, subject, headers, streamTime, decoded, next } = letter;
  const body = decoded.json === undefined ? JSON.stringify(decoded.text) : JSON.stringify(decoded.json, undefined, 2);
  const fields = fieldLines([
    ['partition', String(partition)],
    ['sequence', String(sequence)],
    ['reason', oneLine(code)],
    ...problems.map((problem): [string, string] => ['', oneLine(problem)]),
    ['key', oneLine(key ?? 'not known')],
    ['id', oneLine(id ?? 'not known')],
    ['subject', oneLine(subject)],
    ['stored', date(streamTime)],
    ...(headers === null ? [] : [['headers', JSON.stringify(headers)] as const]),
    ...(next === undefined ? [] : [['next', next] as const]),
    ['body', `${bytesText(letter)}:`],
  ]);
  return `${fields}\n${body.split('\n').map(oneLine).join('\n')}`;
}
