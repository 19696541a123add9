/** `millrace provision`: creates what a node needs, or checks that it is there. */
import type { Command } from 'commander';
import { type Provisioned, provision } from '../../compose/provision.js';
import type { SqlProvisioned } from '../../compose/sql-backend.js';
import { printDuration, printSize } from '../../options/quantities.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { fieldLines, grouped } from '../text.js';

interface Flags {
  readonly check?: boolean;
  readonly json?: boolean;
}

export function addProvision(program: Command, { terminal, end }: CommandHost): void {
  const command = program
    .command('provision')
    .description('Create what a node needs where it is missing, read it back, and check Redis or the SQL database.')
    .option('--check', 'create nothing, only check')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace provision --nats nats://127.0.0.1:4222 --stream-replicas 3\n');
  addOptions(command, ['app', 'node', 'partitions', 'nats', 'redis', 'sql', 'stream']).action(
    async (flags: Flags, self: Command) => {
      const { options } = loadOptions(self, terminal);
      const done = await provision(options, quietLine(terminal), flags.check !== true);
      terminal.out(flags.json === true ? JSON.stringify(done) : textOf(done));
      end(exitCode.ok);
    },
  );
}

function textOf(done: Provisioned | SqlProvisioned): string {
  if (!('database' in done)) return provisionedText(done);
  return fieldLines([
    ['database', done.database],
    ['stream', done.stream],
    ['subjects', done.subjects.join(', ')],
  ]);
}

function provisionedText({ stream, bucket, redis }: Provisioned): string {
  const { created, subjects, storage, replicas, maxAgeMs, maxBytes, duplicateWindowMs, first, last } = stream;
  const kept = `${maxAgeMs === 0 ? 'for ever' : printDuration(maxAgeMs)}, ${maxBytes === 0 ? 'any size' : printSize(maxBytes)}`;
  const fields = fieldLines([
    ['stream', `${stream.stream}, ${created ? 'created' : 'was there'}, on nats-server ${stream.server}`],
    ['subjects', subjects.join(', ')],
    ['storage', `${storage}, ${replicas} ${replicas === 1 ? 'copy' : 'copies'}, keeps events ${kept}`],
    ['duplicates', `the stream itself removes repeated ids within ${printDuration(duplicateWindowMs)}`],
    ['events', last < first ? 'none' : `${grouped(first)} to ${grouped(last)}`],
    ['KV bucket', bucket],
    [
      'Redis',
      `${redis.version ?? 'unknown version'}, maxmemory-policy ${redis.maxmemoryPolicy ?? 'unknown: may not be asked'}`,
    ],
  ]);
  return [fields, ...stream.warnings.map((warning) => `warning: ${warning}`)].join('\n');
}
