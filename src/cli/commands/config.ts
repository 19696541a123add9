/** `millrace config`: every option, its value, and where that comes from. */
import type { Command } from 'commander';
import { describeOptions, describeOptionsJson } from '../../options/describe.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';

export function addConfig(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace config --config millrace.yaml\n');
  addOptions(command).action((flags: { json?: boolean }, self: Command) => {
    const resolved = loadOptions(self, terminal);
    if (flags.json === true) terminal.out(JSON.stringify(describeOptionsJson(resolved), undefined, 2));
    else terminal.raw(describeOptions(resolved));
    end(exitCode.ok);
  });
}
