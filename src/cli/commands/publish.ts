/** `millrace publish`: one event from the command line, or many from a file or standard input. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { PublishEvent, Publisher, PublishReceipt } from '../../client/publisher.js';
import { createPublisher } from '../../compose/publisher.js';
import { MillraceError, messageOf } from '../../errors.js';
import { exitCode } from '../exit-codes.js';
import { wholeFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly data?: string;
  readonly id?: string;
  readonly time?: string;
  readonly type?: string;
  readonly sequence?: number;
  readonly file?: string;
  readonly json?: boolean;
}

/** How long the first connection may take, ms. */
const CONNECT_MS = 3_000;
/** Receipts are printed in the order of the events; so many may wait for an earlier one. */
const PENDING_MAX = 1_000;

export function addPublish(command: Command, { terminal, end }: CommandHost): void {
  command
    .argument('[key]', 'key of the event; without one, lines of JSON {"key","id"?,"time"?,"type"?,"data"} are read')
    .option('--data <json>', 'data of the event, JSON')
    .option('--id <id>', 'id of the event; a random one by default')
    .option('--time <time>', 'when it happened, epoch milliseconds or RFC 3339; now by default')
    .option('--type <type>', 'kind of event')
    .option('--sequence <n>', "place in the key's own numbering", wholeFlag(0, Number.MAX_SAFE_INTEGER))
    .option('--file <file>', 'file with an event per line, - for standard input')
    .option('--json', 'print receipts as JSON')
    .addHelpText('after', help);
  addOptions(command, ['partitions', 'nats', 'sql', 'stream']).action(
    async (key: string | undefined, flags: Flags, self: Command) => {
      const { nats, sql, stream, partitions } = loadOptions(self, terminal).options;
      const events = key === undefined ? eventsOfLines(flags, terminal) : [eventOfFlags(key, flags)];
      const publisher = await createPublisher({
        ...(sql.url === undefined ? nats : { sql: sql.url }),
        ...{ publishSubject: stream.publishSubject, partitions, name: 'millrace-publish' },
        ...(stream.count === 1 ? { stream: stream.name } : {}),
        ...{ log: quietLine(terminal), signal: AbortSignal.timeout(CONNECT_MS) },
      });
      try {
        await publishInOrder(publisher, events, (receipt) => print(terminal, receipt, flags.json === true));
      } finally {
        await publisher.close();
      }
      end(exitCode.ok);
    },
  );
}

const help = `
Examples:
  $ millrace publish account-7 --type deposit --data '{"amount":100}'
  $ millrace publish --file events.ndjson
`;

interface NumberedEvent {
  /** Where it stands, in front of what is wrong with it; empty for the only one. */
  readonly place: string;
  readonly event: PublishEvent;
}

function eventOfFlags(key: string, { data, id, time, type, sequence, file }: Flags): NumberedEvent {
  if (file !== undefined)
    throw new MillraceError('REQUEST_INVALID', 'a key and --file exclude each other: in a file, each line has its key');
  const parsed = data === undefined ? undefined : parse(data, '--data');
  return { place: '', event: { key, id, time, type, sequence, data: parsed } };
}

async function* eventsOfLines(flags: Flags, terminal: Terminal): AsyncGenerator<NumberedEvent> {
  const given = (['data', 'id', 'time', 'type', 'sequence'] as const).filter((name) => flags[name] !== undefined);
  if (given.length > 0)
    throw new MillraceError('REQUEST_INVALID', `--${given.join(' and --')} without a key: name the key of the event`);
  const { file = '-' } = flags;
  const isStandard = file === '-';
  if (isStandard && flags.file === undefined && terminal.input.isTTY)
    throw new MillraceError('REQUEST_INVALID', 'name a key, or a file with --file, or give events on standard input');
  const input: NodeJS.ReadableStream = isStandard ? terminal.input : createReadStream(file);
  const unreadable = new Promise<never>((_, reject) => {
    input.once('error', (cause: unknown) => {
      const message = `${isStandard ? 'standard input' : file} cannot be read: ${messageOf(cause)}`;
      reject(new MillraceError('OPTIONS_INVALID', message, { cause }));
    });
  });
  unreadable.catch(() => undefined);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (let number = 1; ; number++) {
    const { value, done } = await Promise.race([lines.next(), unreadable]);
    if (done === true) return;
    if (value.trim() === '') continue;
    const place = `line ${number}`;
    yield { place, event: parse(value, place) as PublishEvent };
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError('REQUEST_INVALID', `${what} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** Publishes many at once and shows their receipts in their order; ends at the first that fails. */
async function publishInOrder(
  publisher: Publisher,
  events: Iterable<NumberedEvent> | AsyncIterable<NumberedEvent>,
  show: (receipt: PublishReceipt) => void,
): Promise<void> {
  const pending: Promise<PublishReceipt>[] = [];
  for await (const { place, event } of events) {
    const sent = publisher.publish(event).catch((error: unknown) => {
      throw placed(place, error);
    });
    sent.catch(() => undefined); // heard when its turn comes
    pending.push(sent);
    if (pending.length >= PENDING_MAX) show(await pending.shift()!);
  }
  for (const sent of pending) show(await sent);
}

function placed(place: string, error: unknown): unknown {
  if (place === '' || !(error instanceof MillraceError)) return error;
  const { code, message, problems } = error;
  return new MillraceError(code, `${place}: ${message}`, { cause: error, problems });
}

function print(terminal: Terminal, receipt: PublishReceipt, json: boolean): void {
  const { stream, sequence, partition, duplicate } = receipt;
  terminal.out(json ? JSON.stringify(receipt) : `${stream}:${sequence}:${partition}`);
  if (duplicate) terminal.err(`${stream}:${sequence}:${partition} was there already: the stream knows this id`);
}
