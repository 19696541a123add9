/** `millrace dev`: everything on this machine, with a living demo. What `npm start` runs. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { addOptionFlags, flagsOf } from '../../options/flags.js';
import { devOptions, devPaths } from '../dev/dev-options.js';
import { DevOutput } from '../dev/dev-output.js';
import { runDev } from '../dev/dev-session.js';
import { wholeFlag } from '../flag-values.js';
import type { CommandHost } from '../program.js';
import { stopSignals } from '../stop-signals.js';

interface Flags {
  readonly dir: string;
  readonly services?: boolean;
  readonly keep?: boolean;
  readonly accounts: number;
  readonly rate: number;
  readonly seconds?: number;
  readonly json?: boolean;
}

export function addDev(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--services', 'start nats-server and redis-server; also with --nats or --redis. Else a SQLite file is used')
    .option('--dir <dir>', 'where the data are', '.millrace')
    .option('--keep', 'keep the data, and go on with those of the last time')
    .addOption(new Option('--accounts <n>', 'accounts of the demo').default(200).argParser(wholeFlag(7, 1_000_000)))
    .addOption(new Option('--rate <n>', 'events per second of the demo').default(500).argParser(wholeFlag(1, 50_000)))
    .addOption(new Option('--seconds <n>', 'stop after this time').argParser(wholeFlag(1, 1_000_000)))
    .option('--json', 'print lines of JSON')
    .addHelpText('after', '\nExample:\n  $ millrace dev --rate 2000 --keep\n');
  addOptionFlags(command, devPaths).action(async (flags: Flags, self: Command) => {
    const { services = false, dir, keep = false, accounts, rate, seconds, json = false } = flags;
    const options = devOptions(flagsOf(self), terminal.env);
    const output = new DevOutput(terminal, json);
    const hasServers = options.nats !== undefined || options.redis !== undefined;
    const mode = services || hasServers ? 'services' : 'embedded';
    const stopping = stopSignals(() => undefined);
    try {
      end(await runDev({ mode, options, dir, keep, accounts, rate, seconds, output, stopping }));
    } finally {
      stopping.release();
    }
  });
}
