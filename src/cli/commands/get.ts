/** `millrace get KEY`: durable state of a key, read from the store without a node. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { openReader } from '../../compose/reader.js';
import type { KeyState } from '../../runtime/state-reader.js';
import { parseReceipt } from '../../runtime/state-reader.js';
import { exitCode } from '../exit-codes.js';
import { durationFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { age, fieldLines } from '../text.js';

interface Flags {
  readonly after?: string;
  readonly wait: number;
  readonly json?: boolean;
}

export function addGet(command: Command, { terminal, end }: CommandHost): void {
  command
    .argument('<key>', 'key of the state')
    .option('--after <receipt>', 'wait until this event is reflected; stream:sequence:partition, as publish prints it')
    .addOption(new Option('--wait <duration>', 'how long to wait for it').default(5_000, '5s').argParser(durationFlag))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace get account-7 --after EVENTS:1234:22\n');
  addOptions(command, ['app', 'partitions', 'redis', 'sql']).action(
    async (key: string, flags: Flags, self: Command) => {
      const { options } = loadOptions(self, terminal);
      const after = flags.after === undefined ? undefined : parseReceipt(flags.after);
      const { reader, close } = await openReader(options, quietLine(terminal));
      try {
        const found = await reader.get(key, after, flags.wait);
        terminal.out(flags.json === true ? JSON.stringify(found) : stateText(found));
        end(found.applied > 0 ? exitCode.ok : exitCode.finding);
      } finally {
        await close();
      }
    },
  );
}

function stateText(found: KeyState): string {
  const { key, partition, state, time, id, sequence, applied, position, checkpointAgeMs } = found;
  const last = time === null ? 'none' : `${new Date(time).toISOString()}, id ${id}, sequence ${sequence}`;
  const at = `${position.stream} up to ${position.floor}, checkpoint ${position.checkpoint}, ${age(checkpointAgeMs)} old`;
  return fieldLines([
    ['key', key],
    ['state', applied === 0 ? 'none: no event of this key was applied' : JSON.stringify(state)],
    ['applied', String(applied)],
    ['last event', last],
    ['partition', String(partition)],
    ['position', at],
  ]);
}
