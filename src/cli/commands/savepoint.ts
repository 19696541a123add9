/** `millrace savepoint`: an application's checkpoints as a file that people can read, and back into a store. */
import type { Command } from 'commander';
import { openTools, restoreDependencies, savepointLayout } from '../../compose/tools.js';
import { PARTITION_HASH } from '../../core/key/partition.js';
import { SAVEPOINT_FORMAT } from '../../core/savepoint/savepoint-line.js';
import type { Options } from '../../options/types.js';
import { diffSavepoints, inspectSavepoint } from '../../runtime/savepoint/look-at-savepoint.js';
import { restoreSavepoint } from '../../runtime/savepoint/restore-savepoint.js';
import type { SavepointSource } from '../../runtime/savepoint/savepoint-file.js';
import { openSavepoint, openSavepointSink } from '../../runtime/savepoint/savepoint-file.js';
import { writeSavepoint } from '../../runtime/savepoint/write-savepoint.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import { longWork } from '../long-work.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import type { Terminal } from '../terminal.js';
import { fieldLines, grouped, oneLine } from '../text.js';

interface Flags {
  readonly json?: boolean;
  readonly replace?: boolean;
}

export function addSavepoint(command: Command, host: CommandHost): void {
  addCreate(command, host);
  addInspect(command, host);
  addDiff(command, host);
  addRestore(command, host);
}

function addCreate(parent: Command, { terminal }: CommandHost): void {
  const command = parent
    .command('create')
    .description('Write a savepoint: every partition as of one checkpoint, while nodes run.')
    .argument('<file>', 'file to write; it is there when it is whole')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace savepoint create before-release.ndjson\n');
  addOptions(command, placeOptions).action(async (file: string, flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const written = await createSavepoint(options, file, terminal, flags.json === true);
    terminal.out(
      flags.json === true
        ? JSON.stringify({ file, ...written })
        : `${file}: ${grouped(written.keys)} keys of ${written.partitions} partitions`,
    );
  });
}

/** Writes a savepoint of what the options name; nothing is left of one that is not whole. */
export async function createSavepoint(
  options: Options,
  file: string,
  terminal: Terminal,
  isQuiet: boolean,
): Promise<{ readonly partitions: number; readonly keys: number }> {
  const { app, stream, partitions } = options;
  const at = new Date().toISOString();
  const head = { millrace: 'savepoint', format: SAVEPOINT_FORMAT, app, stream: stream.name, partitions } as const;
  const tools = await openTools(options, quietLine(terminal));
  const whatThen = 'the savepoint was given up; no file is left';
  try {
    return await longWork(terminal, { isQuiet, whatThen }, async ({ signal, show }) => {
      const sink = await openSavepointSink(file);
      try {
        return await writeSavepoint(tools.store, { ...head, hash: PARTITION_HASH, at }, sink, (done) => {
          signal.throwIfAborted();
          show(`${done.partitions} of ${partitions} partitions, ${grouped(done.keys)} keys`);
        });
      } finally {
        await sink.abandon();
      }
    });
  } finally {
    await tools.close();
  }
}

function addInspect(parent: Command, { terminal }: CommandHost): void {
  parent
    .command('inspect')
    .description('Check a savepoint and say what is in it.')
    .argument('<file>', 'the savepoint')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace savepoint inspect before-release.ndjson\n')
    .action(async (file: string, flags: Flags) => {
      const found = await inspectSavepoint(await openSavepoint(file));
      const { app, stream, partitions, at } = found;
      const position = found.first === null ? 'none' : `${grouped(found.first)} to ${grouped(found.last ?? 0)}`;
      terminal.out(
        flags.json === true
          ? JSON.stringify(found)
          : fieldLines([
              ['made', at],
              ['app', app],
              ['stream', stream],
              ['partitions', `${found.stored} stored of ${partitions}`],
              ['positions', position],
              ['keys', grouped(found.keys)],
              ['applied', grouped(found.applied)],
              ['dead letters', grouped(found.dead)],
              ['parked', grouped(found.parked)],
            ]),
      );
    });
}

function addDiff(parent: Command, { terminal, end }: CommandHost): void {
  parent
    .command('diff')
    .description('Name the keys whose state differs between two savepoints; exit code 1 if any does.')
    .argument('<before>', 'a savepoint')
    .argument('<after>', 'another one, of any partition count')
    .option('--json', 'print JSON lines')
    .addHelpText('after', '\nExample:\n  $ millrace savepoint diff yesterday.ndjson today.ndjson\n')
    .action(async (before: string, after: string, flags: Flags) => {
      let different = 0;
      const sources = [await openSavepoint(before), await openSavepoint(after)] as const;
      for await (const one of diffSavepoints(...sources)) {
        different++;
        terminal.out(
          flags.json === true
            ? JSON.stringify(one)
            : oneLine(`${one.key}: ${one.before ?? 'none'} → ${one.after ?? 'none'}`),
        );
      }
      if (different === 0 && flags.json !== true) terminal.out('no state differs');
      end(different === 0 ? exitCode.ok : exitCode.finding);
    });
}

function addRestore(parent: Command, { terminal }: CommandHost): void {
  const command = parent
    .command('restore')
    .description('Put a savepoint into a store, under any partition count; stop the nodes of the application first.')
    .argument('<file>', 'the savepoint')
    .option('--replace', 'give up what is stored under this application now')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace savepoint restore today.ndjson --app main2 --partitions 128\n');
  addOptions(command, placeOptions).action(async (file: string, flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const source = await openSavepoint(file);
    const done = await restore(options, source, terminal, flags);
    terminal.out(
      flags.json === true
        ? JSON.stringify(done)
        : `${grouped(done.keys)} keys in ${done.partitions} partitions of application ${options.app}`,
    );
  });
}

/** Restores, with progress. Interrupted, it leaves partitions that no node starts from until it is run again. */
export async function restore(
  options: Options,
  source: SavepointSource,
  terminal: Terminal,
  flags: Flags,
): Promise<{ readonly partitions: number; readonly keys: number }> {
  const tools = await openTools(options, quietLine(terminal), 'alone');
  const whatThen = 'partitions that are filled in part are not used by any node; run it again to its end';
  try {
    return await longWork(terminal, { isQuiet: flags.json === true, whatThen }, ({ signal, show }) =>
      restoreSavepoint(
        source,
        {
          layout: savepointLayout(options),
          replace: flags.replace === true,
          signal,
          told: ({ keys, partitions }) => show(`${grouped(keys)} keys, ${partitions} partitions whole`),
        },
        restoreDependencies(options, tools),
      ),
    );
  } finally {
    await tools.close();
  }
}
