/** `millrace why ID`: what a node has decided about an event, and why. */
import type { Command } from 'commander';
import type { ErrorBody } from '../../http/answer.js';
import { elsewhereText } from '../../runtime/elsewhere.js';
import type { EventDecision } from '../../runtime/event-decisions.js';
import type { EventReport } from '../../runtime/explain.js';
import { addressOf, addUrl, askNode } from '../ask-node.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { date, oneLine } from '../text.js';

interface Flags {
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

export function addWhy(command: Command, { terminal, end }: CommandHost): void {
  command
    .argument('<id>', 'id of the event')
    .option('--key <key>', 'key of the event: only its partition is asked')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace why order-17-paid --key order-17\n');
  addOptions(addUrl(command), ['http']).action(async (id: string, flags: Flags, self: Command) => {
    const address = addressOf(flags, loadOptions(self, terminal).options, terminal.env);
    const query = flags.key === undefined ? '' : `?key=${encodeURIComponent(flags.key)}`;
    const path = `/v1/events/${encodeURIComponent(id)}${query}`;
    const answers = { status: 404, field: 'decisions' };
    const { body } = await askNode<EventReport & Partial<ErrorBody>>(address, path, { answers });
    terminal.out(flags.json === true ? JSON.stringify(body) : reportText(body));
    end(body.decisions.length > 0 ? exitCode.ok : exitCode.finding);
  });
}

function reportText({ decisions, unanswered, elsewhere, error }: EventReport & Partial<ErrorBody>): string {
  if (decisions.length === 0) return oneLine(error?.message ?? 'nothing is known of it');
  const silent = unanswered.map(({ partition, message }) => `partition ${partition} did not answer: ${message}`);
  const others = elsewhere.map((range) => `not asked: ${elsewhereText(range)}`);
  return [...decisions.flatMap(decisionLines), ...silent, ...others].map(oneLine).join('\n');
}

function decisionLines({ partition, summary, time, notes }: EventDecision): string[] {
  const at = time === null ? '' : `, event time ${date(time)}`;
  return [
    `partition ${partition}: ${summary}${at}`,
    ...notes.map((note) => `  ${note.decision} at sequence ${note.sequence}, key ${note.key}: ${note.detail}`),
  ];
}
