/** What is derived from the table of options: flags, help, variables, schema, and the generated files. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeOptions, describeOptionsJson } from '../../src/options/describe.js';
import { addOptionFlags, flagsOf } from '../../src/options/flags.js';
import { generatedFiles } from '../../src/options/generated-files.js';
import { jsonSchema } from '../../src/options/json-schema.js';
import { fileVariableOf, flagOf, variableOf } from '../../src/options/names.js';
import { optionsTable } from '../../src/options/options-table.js';
import { optionRows } from '../../src/options/types.js';
import { resolve } from '../support/given-options.js';

const root = new URL('../../../', import.meta.url);

describe('flags', () => {
  const parsed = (args: string[], paths?: Parameters<typeof addOptionFlags>[1]) => {
    const command = addOptionFlags(new Command('run'), paths).option('--json').exitOverride();
    command.configureOutput({ writeErr: () => undefined });
    command.parse(args, { from: 'user' });
    return flagsOf(command);
  };

  it('go from the command line to the options, and only those that were given', () => {
    const args = [
      '--json',
      '--order-settle',
      '5s',
      '--nats',
      'nats://h',
      '--accept-gap',
      '--handler-options',
      '{"a":1}',
    ];
    expect(parsed(args)).toEqual({
      'order-settle': '5s',
      nats: 'nats://h',
      'accept-gap': true,
      'handler-options': '{"a":1}',
    });
    const { options } = resolve({ flags: parsed(args) });
    expect([options.order.settleMs, options.acceptGap, options.handlerOptions]).toEqual([5000, true, { a: 1 }]);
  });

  it('can say no, and repeat a list', () => {
    const flags = parsed(['--no-accept-gap', '--stream-subjects', 'a.*', '--stream-subjects', 'b.*']);
    const { options, origins } = resolve({ flags, env: { MILLRACE_ACCEPT_GAP: 'true' } });
    expect(options.stream.subjects).toEqual(['a.*', 'b.*']);
    expect(origins.get('acceptGap')).toEqual({ value: 'false', origin: 'flag --no-accept-gap' });
  });

  it('are found on the parent command too, and only those asked for are added', () => {
    const program = addOptionFlags(new Command(), ['redis']).exitOverride();
    let found = {};
    const run = addOptionFlags(program.command('run'), ['order.settle', 'nats']);
    run.action(() => {
      found = flagsOf(run);
    });
    program.parse(['--redis', 'redis://h', 'run', '--order-settle', '1s'], { from: 'user' });
    expect(found).toEqual({ redis: 'redis://h', 'order-settle': '1s' });
    expect(run.options.map((option) => option.long)).not.toContain('--order-idle');
    expect(() => parsed(['--order-idle', '1s'], ['nats'])).toThrow(/unknown option/);
  });

  it('show doc, default and variable in --help', () => {
    const help = addOptionFlags(new Command('run')).configureHelp({ helpWidth: 400 }).helpInformation();
    for (const [path, row] of optionRows) {
      expect(help).toContain(`--${row.flag ?? flagOf(path)}`);
      expect(help).toContain(row.doc);
      expect(help).toContain(variableOf(path));
    }
    expect(help).toContain('default: 2s');
    expect(help).not.toMatch(/--nats-url|--no-accept-gap/);
  });
});

describe('what is generated', () => {
  it.each(generatedFiles())('$path is up to date: node dist/src/options/generate.js', ({ path, text }) => {
    expect(readFileSync(new URL(path, root), 'utf8')).toBe(text);
  });

  it('has a doc for every row, in whole sentences, and names that differ', () => {
    const names: string[] = [];
    for (const [path, row] of optionRows) {
      expect(row.doc, path).toMatch(/^[A-Z].*\.$/);
      expect(row.kind.allowed, path).not.toBe('');
      names.push(`--${flagOf(path)}`, variableOf(path), ...row.env);
      names.push(...[fileVariableOf(path, row) ?? [], row.flag ?? []].flat());
    }
    expect(new Set(names).size).toBe(names.length);
    expect([variableOf('order.aheadMax'), flagOf('nats.tlsCa')]).toEqual(['MILLRACE_ORDER_AHEAD_MAX', 'nats-tls-ca']);
  });

  it('has every row in the table of docs/options.md and in the schema', () => {
    const table = optionsTable();
    interface Schema {
      readonly properties: Record<string, Schema & { description: string }>;
    }
    for (const [path, row] of optionRows) {
      expect(table).toContain(`| \`${path}\` |`);
      const names = path.split('.');
      const last = names.pop()!;
      const parent = names.reduce((at, name) => at.properties[name]!, jsonSchema() as unknown as Schema);
      expect(parent.properties[last]?.description).toBe(row.doc);
    }
    for (const line of table.trim().split('\n')) expect(line.split(/(?<!\\)\|/)).toHaveLength(6);
  });

  it('has a default file that says what holds without it', () => {
    const text = readFileSync(new URL('config/default.yaml', root), 'utf8');
    const resolved = resolve({ file: { path: 'config/default.yaml', text } });
    expect(resolved.options).toEqual(resolve().options);
    const leaves = new Set([...optionRows].filter(([, row]) => row.fallback.kind === 'fixed').map(([path]) => path));
    for (const [path, { origin }] of resolved.origins) {
      expect(origin.startsWith('file config/default.yaml:')).toBe(leaves.has(path));
    }
    expect(parse(text)).toMatchObject({ order: { settle: '2s' } });
  });

  it('describes every option in aligned lines and as data', () => {
    const resolved = resolve({ flags: { 'order-settle': '5s' } });
    const lines = describeOptions(resolved).trimEnd().split('\n');
    expect(lines).toHaveLength(optionRows.size);
    expect(new Set(lines.map((line) => line.search(/(default|flag --\S+)$/))).size).toBe(1);
    const data = describeOptionsJson(resolved);
    expect(data['order.settle']).toEqual({ value: '5s', origin: 'flag --order-settle' });
    expect(data['http.token']).toEqual({ value: null, origin: 'default' });
  });
});
