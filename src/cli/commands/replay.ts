/** `millrace replay`: state as it was, or none, and the events after it once more. */
import type { Command } from 'commander';
import { PARTITION_HASH } from '../../core/key/partition.js';
import { SAVEPOINT_FORMAT } from '../../core/savepoint/savepoint-line.js';
import type { SavepointSource } from '../../runtime/savepoint/savepoint-file.js';
import { openSavepoint } from '../../runtime/savepoint/savepoint-file.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { grouped } from '../text.js';
import { restore } from './savepoint.js';

interface Flags {
  readonly from: string;
  readonly json?: boolean;
}

export function addReplay(command: Command, { terminal }: CommandHost): void {
  command
    .requiredOption(
      '--from <place>',
      '`start` for the start of the stream, or a savepoint; state needs what came before',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nStop the nodes first. States, dead letters and parked events after the place are given up.\n' +
        'Outputs are published again under the same ids.\n\nExample:\n  $ millrace replay --from start\n',
    );
  addOptions(command, placeOptions).action(async (flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const { app, stream, partitions } = options;
    const head = { millrace: 'savepoint', format: SAVEPOINT_FORMAT, app, stream: stream.name, partitions } as const;
    const nothing: SavepointSource = { head: { ...head, hash: PARTITION_HASH, at: '' }, lines: () => none() };
    const source = flags.from === 'start' ? nothing : await openSavepoint(flags.from);
    const done = await restore(options, source, terminal, { ...flags, replace: true });
    terminal.out(
      flags.json === true
        ? JSON.stringify({ from: flags.from, ...done })
        : `${done.partitions} partitions of ${app} stand at ${flags.from} with ${grouped(done.keys)} keys; start a node`,
    );
  });
}

async function* none(): AsyncGenerator<never, void> {}
