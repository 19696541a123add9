/** `millrace doctor`: are the servers set so that the guarantee holds? */
import type { Command } from 'commander';
import { examine } from '../../compose/doctor.js';
import type { Finding } from '../../runtime/diagnosis.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { oneLine } from '../text.js';

interface Flags {
  readonly natsMonitor?: string;
  readonly json?: boolean;
}

const marks: Readonly<Record<Finding['level'], string>> = { ok: 'ok', finding: 'FOUND', unknown: '?' };

export function addDoctor(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--nats-monitor <url>', 'monitoring port of a nats-server, for what it tells only there')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace doctor --nats-monitor http://127.0.0.1:8222\n');
  addOptions(command, [...placeOptions, 'order', 'checkpoint']).action(async (flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const found = await examine(options, quietLine(terminal), flags.natsMonitor);
    terminal.out(flags.json === true ? JSON.stringify({ findings: found }) : found.map(text).join('\n'));
    end(found.some(({ level }) => level === 'finding') ? exitCode.finding : exitCode.ok);
  });
}

function text({ check, level, found, consequence, fix }: Finding): string {
  const head = oneLine(`${marks[level].padEnd(5)}  ${check}: ${found}`);
  return [
    head,
    ...(consequence === undefined ? [] : [`         ${consequence}`]),
    ...(fix === undefined ? [] : [`       → ${fix}`]),
  ].join('\n');
}
