/** `millrace provision`: creates what a node needs, or checks that it is there. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { type MappingReport, type Provisioned, provision } from '../../compose/provision.js';
import type { SqlProvisioned } from '../../compose/sql-backend.js';
import { printDuration, printSize } from '../../options/quantities.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { quietLine } from '../quiet-line.js';
import { fieldLines, grouped } from '../text.js';

interface Flags {
  readonly check?: boolean;
  readonly move?: boolean;
  readonly json?: boolean;
}

export function addProvision(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--check', 'create nothing, only check')
    .addOption(
      new Option('--move', 'close the streams there are, for good, and go on in those that are named here').conflicts(
        'check',
      ),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace provision --nats nats://127.0.0.1:4222 --stream-replicas 3\n');
  addOptions(command, ['app', 'node', 'partitions', 'nats', 'redis', 'sql', 'stream', 'event.key']).action(
    async (flags: Flags, self: Command) => {
      const { options } = loadOptions(self, terminal);
      const done = await provision(options, quietLine(terminal), {
        create: flags.check !== true,
        move: flags.move === true,
      });
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

function provisionedText({ streams, mapping, earlier, bucket, redis }: Provisioned): string {
  const fields = fieldLines([
    ...streams.flatMap((stream) => streamFields(stream, streams.length > 1)),
    ...earlier.map((name): [string, string] => [
      'earlier',
      `${name}, closed; to be kept until every partition has passed it`,
    ]),
    ['KV bucket', bucket],
    [
      'Redis',
      `${redis.version ?? 'unknown version'}, maxmemory-policy ${redis.maxmemoryPolicy ?? 'unknown: may not be asked'}`,
    ],
  ]);
  const warnings = new Set(streams.flatMap((stream) => stream.warnings.map((warning) => `warning: ${warning}`)));
  return [fields, ...warnings, ...(mapping === undefined ? [] : [mappingText(mapping)])].join('\n');
}

function streamFields(report: Provisioned['streams'][number], isOneOfMany: boolean): [string, string][] {
  const { created, subjects, storage, replicas, maxAgeMs, maxBytes, duplicateWindowMs, first, last } = report;
  const kept = `${maxAgeMs === 0 ? 'for ever' : printDuration(maxAgeMs)}, ${maxBytes === 0 ? 'any size' : printSize(maxBytes)}`;
  const events = last < first ? 'none' : `${grouped(first)} to ${grouped(last)}`;
  const state = `${report.stream}, ${created ? 'created' : 'was there'}, on nats-server ${report.server}`;
  if (isOneOfMany) return [['stream', `${state}; ${subjects[0]} to ${subjects.at(-1)}, events ${events}`]];
  return [
    ['stream', state],
    ['subjects', subjects.join(', ')],
    ['storage', `${storage}, ${replicas} ${replicas === 1 ? 'copy' : 'copies'}, keeps events ${kept}`],
    ['duplicates', `the stream itself removes repeated ids within ${printDuration(duplicateWindowMs)}`],
    ['events', events],
  ];
}

function mappingText({ block, problem }: MappingReport): string {
  if (problem === undefined) return 'The server maps every key to its stream.';
  return `warning: ${problem}. Put this into the configuration of every server, at its top level or in the account, and reload it:\n\n${block}`;
}
