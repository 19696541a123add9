/** `millrace timeline`: what happened to a node lately. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { TimelineEntry } from '../../observability/timeline.js';
import { addressOf, addUrl, askNode } from '../ask-node.js';
import { wholeFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { date, oneLine } from '../text.js';

interface Flags {
  readonly url?: string;
  readonly last: number;
  readonly json?: boolean;
}

export function addTimeline(command: Command, { terminal }: CommandHost): void {
  command
    .addOption(new Option('--last <count>', 'how many entries').default(100).argParser(wholeFlag(1, 500)))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace timeline --last 20\n');
  addOptions(addUrl(command), ['http']).action(async (flags: Flags, self: Command) => {
    const address = addressOf(flags, loadOptions(self, terminal).options, terminal.env);
    const { body } = await askNode<{ timeline: readonly TimelineEntry[] }>(address, `/v1/timeline?limit=${flags.last}`);
    if (flags.json === true) terminal.out(JSON.stringify(body));
    else for (const entry of body.timeline) terminal.out(lineOf(entry));
  });
}

function lineOf({ at, level, event, text, fields }: TimelineEntry): string {
  const details = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return oneLine(
    [date(at), level.padEnd(5), event, text, ...(details.length === 0 ? [] : [`(${details.join(', ')})`])].join(' '),
  );
}
