/** `millrace verify`: is what is stored what the log gives? */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openTools, verification } from '../../compose/tools.js';
import type { Options } from '../../options/types.js';
import { openSavepoint } from '../../runtime/savepoint/savepoint-file.js';
import { type Verdict, verify } from '../../runtime/verify.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import { longWork } from '../long-work.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import type { Terminal } from '../terminal.js';
import { grouped, oneLine } from '../text.js';
import { createSavepoint } from './savepoint.js';

interface Flags {
  readonly savepoint?: string;
  readonly json?: boolean;
}

export function addVerify(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--savepoint <file>', 'verify this savepoint instead of what is stored now')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace verify --handler ./orders.mjs\n');
  const rest = ['handler', 'handlerOptions', 'order', 'dedupe', 'limits'] as const;
  addOptions(command, [...placeOptions, ...rest]).action(async (flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const isQuiet = flags.json === true;
    const { savepoint } = flags;
    const verdict = await (savepoint === undefined
      ? verifyStored(options, terminal, isQuiet)
      : judge(options, savepoint, terminal, isQuiet));
    terminal.out(isQuiet ? JSON.stringify(verdict) : verdictText(verdict));
    end(verdict.different === 0 ? exitCode.ok : exitCode.finding);
  });
}

/** Verifies what is stored now, by a savepoint of which nothing is left. */
export async function verifyStored(options: Options, terminal: Terminal, isQuiet: boolean): Promise<Verdict> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-verify-'));
  try {
    const file = join(dir, 'savepoint');
    await createSavepoint(options, file, terminal, isQuiet);
    return await judge(options, file, terminal, isQuiet);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function judge(options: Options, file: string, terminal: Terminal, isQuiet: boolean): Promise<Verdict> {
  const source = await openSavepoint(file);
  const tools = await openTools(options, quietLine(terminal));
  try {
    const { options: settings, deps } = await verification(options, tools);
    const whatThen = 'nothing was changed';
    return await longWork(terminal, { isQuiet, whatThen }, ({ signal, show }) => {
      const told = (read: number, all: number): void => show(`${grouped(read)} of ${grouped(all)} events folded`);
      return verify(source, { ...settings, signal, told }, deps);
    });
  } finally {
    await tools.close();
  }
}

function verdictText({ events, keys, partitions, different, first, leftOut }: Verdict): string {
  const open = leftOut === 0 ? '' : `; ${grouped(leftOut)} keys with events under way were left out`;
  if (first === null)
    return `OK: ${grouped(keys)} keys of ${partitions} partitions are what one thread makes of ${grouped(events)} events${open}`;
  const lines = [
    `DIFFERENT: ${grouped(different)} of ${grouped(keys)} keys; the first is ${first.key} of partition ${first.partition}`,
    `  stored ${first.stored ?? 'nothing'}`,
    `  folded ${first.folded ?? 'nothing'}`,
  ];
  // Only the stream is folded; a decision of an operator is not in it.
  const byNature =
    'A key whose events an operator edited, replayed or skipped differs by nature: `millrace timeline` and';
  return `${lines.map(oneLine).join('\n')}${open}\n${byNature} the log name them.`;
}
