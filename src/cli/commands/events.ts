/** `millrace events tail`: what is in the stream, as it comes. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { decoderOf, openTools } from '../../compose/tools.js';
import { newestOf } from '../../core/position/stream-chain.js';
import { wholeFlag } from '../flag-values.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { stopSignals } from '../stop-signals.js';
import { date, oneLine } from '../text.js';

interface Flags {
  readonly key?: string;
  readonly last: number;
  readonly follow: boolean;
  readonly json?: boolean;
}

export function addEvents(parent: Command, { terminal }: CommandHost): void {
  const command = parent
    .command('tail')
    .description('Print the newest events of the stream, then each one as it is stored, until Ctrl-C.')
    .option('--key <key>', 'only events of this key')
    .addOption(new Option('--last <count>', 'how many to begin with').default(10).argParser(wholeFlag(0, 1_000_000)))
    .option('--no-follow', 'end with the newest event')
    .option('--json', 'print JSON lines')
    .addHelpText('after', '\nExample:\n  $ millrace events tail --key account-7 --last 1000 --no-follow\n');
  addOptions(command, [...placeOptions, 'limits']).action(async (flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const tools = await openTools(options, quietLine(terminal));
    const stopping = stopSignals(() => undefined);
    try {
      const readings = await Promise.all(
        tools.chains.map(async (chain, index) => {
          const { stream } = newestOf(chain);
          const { first, last } = await tools.log.info(stream);
          const show = shower(decoderOf(options, tools, index), flags, (line) => terminal.out(line));
          let settle: (error?: Error) => void = () => undefined;
          const ended = new Promise<void>((resolve, reject) => {
            settle = (error) => (error === undefined ? resolve() : reject(error));
          });
          const from = Math.max(first, last - flags.last + 1);
          const reading = await tools.log.read(stream, from, {
            event: show,
            caughtUp: () => (flags.follow ? undefined : settle()),
            failed: settle,
          });
          return { reading, ended };
        }),
      );
      const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
      await Promise.race([stopped, Promise.all(readings.map(({ ended }) => ended))]);
      for (const { reading } of readings) await reading.stop();
    } finally {
      stopping.release();
      await tools.close();
    }
  });
}

type Decode = ReturnType<typeof decoderOf>;

function shower(decode: Decode, { key: wanted, json }: Flags, out: (line: string) => void) {
  return (
    sequence: number,
    timeMs: number,
    _nanos: number,
    ...bytes: [Uint8Array, Uint8Array | undefined, Uint8Array]
  ) => {
    const { partition, raw, decoded } = decode(sequence, timeMs, ...bytes);
    const event = decoded.kind === 'event' ? decoded.event : undefined;
    const key = decoded.kind === 'event' ? decoded.event.key : decoded.key;
    if (wanted !== undefined && key !== wanted) return;
    const refused = decoded.kind === 'rejected' ? decoded.rejection : undefined;
    if (json === true)
      return out(
        JSON.stringify({
          ...{
            sequence,
            partition,
            storedAt: timeMs,
            key: key ?? null,
            id: event?.id ?? null,
            time: event?.time ?? null,
          },
          ...{ type: event?.type ?? null, keySequence: event?.sequence ?? null, data: event?.data ?? null },
          ...(refused !== undefined && { refused, body: raw.body }),
        }),
      );
    const place = `${sequence} ${date(timeMs)} partition ${partition}`;
    const what =
      event === undefined
        ? `REFUSED ${refused?.code}: ${refused?.problems.join('; ')}`
        : `${event.id}${event.type === undefined ? '' : ` ${event.type}`} ${JSON.stringify(event.data)}`;
    out(oneLine(`${place} ${key ?? '?'} ${what}`));
  };
}
