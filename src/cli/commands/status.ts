/** `millrace status`: what a running node says of itself, once or again and again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { Option } from 'commander';
import { MillraceError } from '../../errors.js';
import type { StatusView } from '../../http/status-view.js';
import type { NodeAddress } from '../ask-node.js';
import { addressOf, addUrl, askNode } from '../ask-node.js';
import { exitCode } from '../exit-codes.js';
import { durationFlag } from '../flag-values.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { errorText } from '../show-error.js';
import { statusSummary } from '../status-summary.js';
import { stopSignals } from '../stop-signals.js';
import type { Terminal } from '../terminal.js';

interface Flags {
  readonly url?: string;
  readonly json?: boolean;
  /** Milliseconds, or true for the default. */
  readonly watch?: number | true;
}

const WATCH_MS = 1_000;
const WATCH_MS_MIN = 100;
/** Cursor to the top left, and everything from there on removed. */
const CLEAR = '\u001b[H\u001b[J';

export function addStatus(command: Command, { terminal, end }: CommandHost): void {
  command
    .addOption(
      new Option('--watch [duration]', 'again every second, or this often, until Ctrl-C').argParser(durationFlag),
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ millrace status --url http://127.0.0.1:4480\n  $ millrace status --watch 5s\n',
    );
  addOptions(addUrl(command), ['http']).action(async (flags: Flags, self: Command) => {
    const address = addressOf(flags, loadOptions(self, terminal).options, terminal.env);
    if (flags.watch !== undefined) return watch(address, flags, terminal);
    const status = await askStatus(address);
    terminal.out(flags.json === true ? JSON.stringify(status) : statusSummary(status, Date.now()));
    const isFine = status.phase === 'running' && status.phases.halted === undefined;
    end(isFine ? exitCode.ok : exitCode.finding);
  });
}

/** A node that is away for a while is waited for, and said to be away. */
async function watch(address: NodeAddress, { json, watch: every }: Flags, terminal: Terminal): Promise<void> {
  const stopping = stopSignals(() => undefined);
  const { signal } = stopping;
  const ms = Math.max(WATCH_MS_MIN, every === true || every === undefined ? WATCH_MS : every);
  try {
    while (!signal.aborted) {
      const shown = await askStatus(address).then(
        (status) => (json === true ? JSON.stringify(status) : statusSummary(status, Date.now())),
        (error: unknown) => {
          if (!(error instanceof MillraceError) || error.code !== 'NODE_UNREACHABLE') throw error;
          return json === true
            ? JSON.stringify({ error: { code: error.code, message: error.message } })
            : errorText(error);
        },
      );
      if (json === true) terminal.out(shown);
      else if (terminal.isInteractive) terminal.raw(`${CLEAR}${new Date().toISOString()}\n${shown}\n`);
      else terminal.out(`${new Date().toISOString()}\n${shown}\n`);
      await delay(ms, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stopping.release();
  }
}

async function askStatus(address: NodeAddress): Promise<StatusView> {
  const { body } = await askNode<StatusView>(address, '/v1/status');
  if ('phases' in body && 'partitions' in body) return body;
  throw new MillraceError('NODE_UNREACHABLE', `${address.url} does not answer as a node of Millrace does`);
}
