/** The option table and everything that is derived from it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { EventFormat } from '../../src/core/event/event-format.js';
import { MillraceError } from '../../src/errors.js';
import { describeOptions, describeOptionsJson } from '../../src/options/describe.js';
import { addOptionFlags, flagsOf } from '../../src/options/flags.js';
import { generatedFiles } from '../../src/options/generated-files.js';
import { jsonSchema } from '../../src/options/json-schema.js';
import { fileVariableOf, flagOf, otherVariables, variableOf } from '../../src/options/names.js';
import { optionsTable } from '../../src/options/options-table.js';
import { parseDuration, parseSize, printDuration, printSize } from '../../src/options/quantities.js';
import type { OptionSources } from '../../src/options/resolve.js';
import { defaultOptions, resolveOptions } from '../../src/options/resolve.js';
import { nearest } from '../../src/options/suggest.js';
import type { Options, OptionsInput } from '../../src/options/types.js';
import { optionRows } from '../../src/options/types.js';
import { natsServers, redactUrl } from '../../src/options/urls.js';

const root = new URL('../../../', import.meta.url);
const scratch = mkdtempSync(join(tmpdir(), 'millrace-options-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const resolve = (sources: Partial<OptionSources> = {}) => resolveOptions({ flags: {}, env: {}, ...sources });
const yaml = (text: string) => ({ file: { path: 'm.yaml', text } });

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError);
    expect((error as MillraceError).code).toBe('OPTIONS_INVALID');
    return (error as MillraceError).problems;
  }
  throw new Error('nothing was refused');
}

const problemsWith = (input: unknown) => problemsOf(() => defaultOptions(input as OptionsInput));

describe('defaults', () => {
  it('are those of the design, with quantities in the unit of their name', () => {
    const options = defaultOptions();
    expect(options).toMatchObject({
      app: 'main',
      handler: 'status',
      handlerOptions: {},
      partitions: 64,
      acceptGap: false,
      nats: { url: 'nats://127.0.0.1:4222', credentials: undefined },
      redis: { url: 'redis://127.0.0.1:6379', commandTimeoutMs: 5000 },
      stream: { name: 'EVENTS', subjects: ['events.*'], maxAgeMs: 0, maxBytes: 0, duplicateWindowMs: 120_000 },
      event: { format: { key: { kind: 'token', index: 2 }, id: { kind: 'auto' } }, partition: { kind: 'key' } },
      order: { mode: 'time', settleMs: 2000, idleMs: 1000, late: 'dead-letter', aheadMaxMs: 60_000 },
      dedupe: { idempotent: false, horizonMs: 600_000, ids: 1_000_000 },
      limits: { payloadBytes: 1_048_576, headerBytes: 16_384, inFlightBytes: 16_777_216 },
      checkpoint: { intervalMs: 1000, bytes: 1_048_576 },
      http: { host: '127.0.0.1', port: 4480, token: undefined },
      probes: { host: '0.0.0.0', port: 9464 },
      log: { level: 'info' },
    });
    expect(options.threads).toBeGreaterThanOrEqual(1);
    expect(options.threads).toBeLessThanOrEqual(4);
    expect(options.stream.publishSubject).toBe('events.{key}');
    expect(options.node).not.toBe('');
  });

  it('have types that follow from the table', () => {
    const options: Options = defaultOptions({ order: { settle: '5s', mode: 'none' }, threads: 2 });
    const format: EventFormat = options.event.format;
    const settleMs: number = options.order.settleMs;
    const late: 'drop' | 'apply' | 'dead-letter' = options.order.late;
    const token: string | undefined = options.http.token;
    const subjects: readonly string[] = options.stream.subjects;
    expect([settleMs, late, token, subjects, format.time.kind]).toEqual([
      5000,
      'dead-letter',
      undefined,
      ['events.*'],
      'auto',
    ]);
    // @ts-expect-error: the user's notation is not the engine's name
    expect(problemsWith({ order: { settleMs: 5 } } satisfies OptionsInput)).toHaveLength(1);
  });

  it('are frozen through and through, and share nothing with the input', () => {
    const handlerOptions = { overdraft: { allowed: true } };
    const options = defaultOptions({ handlerOptions, event: { id: 'content:/a,/b' } });
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(walk);
    };
    walk(options);
    expect(Object.isFrozen(handlerOptions.overdraft)).toBe(false);
    handlerOptions.overdraft.allowed = false;
    expect(options.handlerOptions).toEqual({ overdraft: { allowed: true } });
  });
});

describe('precedence', () => {
  const file = yaml('order:\n  settle: 4s\n  idle: 400ms\n  late: drop\napp: from-file\n').file;
  const env = { MILLRACE_ORDER_SETTLE: '3s', MILLRACE_ORDER_IDLE: '300ms' };

  it('is flag, environment, file, default; each value says where it comes from', () => {
    const { options, origins } = resolve({ flags: { 'order-settle': '5s' }, env, file });
    expect(options.order).toMatchObject({ settleMs: 5000, idleMs: 300, late: 'drop', ahead: 'dead-letter' });
    expect(origins.get('order.settle')).toEqual({ value: '5s', origin: 'flag --order-settle' });
    expect(origins.get('order.idle')).toEqual({ value: '300ms', origin: 'env MILLRACE_ORDER_IDLE' });
    expect(origins.get('order.late')).toEqual({ value: 'drop', origin: 'file m.yaml:4' });
    expect(origins.get('app')).toEqual({ value: 'from-file', origin: 'file m.yaml:5' });
    expect(origins.get('order.ahead')).toEqual({ value: 'dead-letter', origin: 'default' });
    expect([...origins.keys()]).toEqual([...optionRows.keys()]);
  });

  it('puts our own variable before the general one', () => {
    const general = { NATS_URL: 'nats://a:1', REDIS_URL: 'redis://b:2' };
    expect(resolve({ env: general }).origins.get('nats.url')?.origin).toBe('env NATS_URL');
    const { options } = resolve({ env: { ...general, MILLRACE_NATS_URL: 'nats://c:3' } });
    expect([options.nats.url, options.redis.url]).toEqual(['nats://c:3', 'redis://b:2']);
    expect(resolve({ flags: { nats: 'd:4' }, env: general }).options.nats.url).toBe('nats://d:4');
  });

  it('takes a flag under both of its names, but not twice', () => {
    expect(resolve({ flags: { 'redis-url': 'redis://a' } }).options.redis.url).toBe('redis://a');
    expect(problemsOf(() => resolve({ flags: { redis: 'redis://a', 'redis-url': 'redis://b' } }))).toEqual([
      'redis.url is given twice, as flag --redis and --redis-url',
    ]);
  });

  it('reads secrets and URLs from files', () => {
    const path = join(scratch, 'token');
    writeFileSync(path, 's3cret\n');
    const { options, origins } = resolve({ env: { MILLRACE_HTTP_TOKEN_FILE: path } });
    expect(options.http.token).toBe('s3cret');
    expect(origins.get('http.token')).toEqual({ value: '(hidden)', origin: 'env MILLRACE_HTTP_TOKEN_FILE' });
    const both = { MILLRACE_HTTP_TOKEN: 'a', MILLRACE_HTTP_TOKEN_FILE: path };
    expect(problemsOf(() => resolve({ env: both }))[0]).toMatch(/are both set/);
    expect(problemsOf(() => resolve({ env: { MILLRACE_NATS_URL_FILE: 'nats://u:pw@h' } }))).toEqual([
      'MILLRACE_NATS_URL_FILE must be the path of a file that can be read (ENOENT)',
    ]);
    expect(problemsOf(() => resolve({ env: { MILLRACE_APP_FILE: path } }))[0]).toMatch(/MILLRACE_APP_FILE is not/);
  });
});

describe('kinds', () => {
  const refused: [string, unknown, RegExp][] = [
    ['app', { app: 'Main' }, /^app must be 1 to 32 characters.*\(argument: "Main"\)$/],
    ['app as a number', { app: 12 }, /^app must be text.*quotes/],
    ['handler', { handler: 'statuss' }, /^handler must be status, ledger, or the path of a module/],
    ['empty text', { app: '' }, /^app is empty \(argument\)/],
    ['null', { order: { settle: null } }, /^order\.settle is empty/],
    ['JSON', { handlerOptions: '{"a":' }, /^handlerOptions must be a JSON object \(argument\)$/],
    ['JSON that is no object', { handlerOptions: [1] }, /^handlerOptions must be a JSON object/],
    ['what JSON cannot carry', { handlerOptions: { at: new Date() } }, /plain JSON data: it\.at is not a plain object/],
    ['a function', { handlerOptions: { f: () => 1 } }, /^handlerOptions must be/],
    ['a fraction', { partitions: 1.5 }, /^partitions must be a whole number \(argument: 1\.5\)$/],
    ['a range from below', { partitions: 0 }, /^partitions must be at least 1: each partition/],
    ['a range from above', { partitions: '4097' }, /^partitions must be at most 4096: each partition/],
    ['threads', { threads: 'many' }, /^threads must be a whole number, or the word auto/],
    ['a switch', { acceptGap: 'yes' }, /^acceptGap must be true or false \(argument: "yes"\)$/],
    [
      'a duration',
      { order: { settle: '2 parsecs' } },
      /^order\.settle must be a duration in whole units, such as 500ms/,
    ],
    ['a fraction of a duration', { order: { settle: '1.5s' } }, /^order\.settle must be a duration/],
    ['a long duration', { order: { settle: '61s' } }, /^order\.settle must be at most 1m: every event waits/],
    ['a short duration', { order: { idle: 9 } }, /^order\.idle must be at least 10ms: shorter takes/],
    ['a duration of ages', { order: { idle: '99999d' } }, /at most 36500d: more does not fit the nanoseconds/],
    ['zero or more', { stream: { maxAge: 5 } }, /^stream\.maxAge must be 0 or at least 100ms/],
    ['a size', { limits: { payloadBytes: '1mb' } }, /^limits\.payloadBytes must be a size/],
    ['a large size', { checkpoint: { bytes: '5MiB' } }, /^checkpoint\.bytes must be at most 4MiB: Redis serves/],
    ['a choice', { order: { late: 'dropp' } }, /must be one of drop, apply, dead-letter; did you mean drop\?/],
    ['an empty list', { stream: { subjects: [] } }, /^stream\.subjects must be a list/],
    ['a doubled subject', { stream: { subjects: ['a.*', 'a.*'] } }, /must not name a subject twice/],
    ['a subject', { stream: { subjects: 'events.**' } }, /"events\.\*\*" has a wildcard inside a token/],
    ['an injected line', { stream: { subjects: ['a.*\r\nPUB x 0'] } }, /contains white space or a control character/],
    ['a template', { stream: { publishSubject: 'events.key' } }, /with \{key\} in it once/],
    ['a wide template', { stream: { publishSubject: '*.{key}' } }, /without wildcards/],
    ['a place', { event: { key: 'auto' } }, /^event\.key cannot come from "auto"/],
    ['a place of nowhere', { event: { time: 'clock' } }, /^event\.time must be auto, body, subject:N/],
    ['a partition place', { event: { partition: 'header:p' } }, /^event\.partition must be key, or subject:N/],
    ['a NATS URL', { nats: { url: 'http://h' } }, /^nats\.url must be a URL such as nats:/],
    ['two accounts', { nats: { url: 'nats://a:b@x,nats://c:d@y' } }, /must not name different credentials/],
    ['a Redis URL', { redis: { url: 'localhost:6379' } }, /^redis\.url must be a URL such as redis:/],
    ['a user name', { nats: { user: 'a\r\nb', password: 'c' } }, /^nats\.user must be text without control/],
    ['a token', { http: { token: 'two words' } }, /^http\.token must be printable ASCII without spaces \(argument\)$/],
    ['a port', { http: { port: 65_536 } }, /^http\.port must be at most 65535: it is a TCP port/],
  ];
  it.each(refused)('refuse %s', (_name, input, problem) => {
    const problems = problemsWith(input);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it('accept the user notation', () => {
    const env = {
      MILLRACE_HANDLER: './handlers/mine.js',
      MILLRACE_HANDLER_OPTIONS: '{"overdraft":true}',
      MILLRACE_PARTITIONS: '128',
      MILLRACE_THREADS: 'auto',
      MILLRACE_ACCEPT_GAP: 'true',
      MILLRACE_STREAM_SUBJECTS: 'orders.*, accounts.*',
      MILLRACE_STREAM_MAX_BYTES: '1GB',
      MILLRACE_EVENT_TIME: 'json:/meta/at',
      MILLRACE_DEDUPE_HORIZON: '7d',
      MILLRACE_NATS_URL: 'a:4222, tls://b',
    };
    const { options, origins } = resolve({ env });
    expect(options).toMatchObject({
      handlerOptions: { overdraft: true },
      partitions: 128,
      acceptGap: true,
      stream: { subjects: ['orders.*', 'accounts.*'], maxBytes: 1e9 },
      event: { format: { time: { kind: 'pointer', path: ['meta', 'at'] } } },
      dedupe: { horizonMs: 604_800_000 },
    });
    expect(options.nats.url).toBe('nats://a:4222,tls://b');
    expect(origins.get('event.time')?.value).toBe('json:/meta/at');
    expect(origins.get('stream.maxBytes')?.value).toBe('1GB');
  });

  it('print places as they are written', () => {
    for (const text of ['auto', 'subject:2', 'header:order-id', 'json:/a~1b/c~0d', 'body', 'content:/a,/b'])
      expect(resolve({ env: { MILLRACE_EVENT_ID: text } }).origins.get('event.id')?.value).toBe(text);
  });

  it('read and print quantities exactly', () => {
    const durations = { '500ms': 500, '2s': 2000, '1m': 60_000, '10m': 600_000, '2h': 7_200_000, '7d': 604_800_000 };
    for (const [text, ms] of Object.entries(durations)) {
      expect([parseDuration(text), printDuration(ms)]).toEqual([ms, text]);
    }
    const sizes = { '1B': 1, '16KiB': 16_384, '1MiB': 1_048_576, '1GiB': 2 ** 30, '1MB': 1_000_000 };
    for (const [text, bytes] of Object.entries(sizes))
      expect([parseSize(text), printSize(bytes)]).toEqual([bytes, text]);
    expect([parseDuration('90'), parseSize('90'), printDuration(0)]).toEqual([90, 90, '0']);
    for (const text of ['', '-1s', '1e3', ' 1s', '1S', '1.5s', 'NaN', '1KiB'])
      expect(parseDuration(text)).toBeUndefined();
  });
});

describe('problems', () => {
  it('are reported all at once, from every source', () => {
    const problems = problemsOf(() =>
      resolve({
        flags: { 'order-settel': '1s', partitions: '0' },
        env: { MILLRACE_ORDR_IDLE: '1s', MILLRACE_HTTP_HOST: '0.0.0.0' },
        ...yaml('order:\n  late: sometimes\n'),
      }),
    );
    expect(problems).toEqual([
      '--order-settel is not a flag; did you mean --order-settle?',
      'MILLRACE_ORDR_IDLE is not a variable of Millrace; did you mean MILLRACE_ORDER_IDLE?',
      expect.stringMatching(/^partitions must be at least 1: .* \(flag --partitions: "0"\)$/),
      expect.stringMatching(/^order\.late must be one of .* \(file m\.yaml:2: "sometimes"\)$/),
      expect.stringMatching(/^http\.host 0\.0\.0\.0 is not a loopback address/),
    ]);
  });

  it('name what was meant', () => {
    expect(problemsWith({ settle: '2s' })).toEqual(['settle is not an option (argument); did you mean order.settle?']);
    expect(problemsWith({ order: { setle: '2s' } })[0]).toMatch(/did you mean order\.settle\?$/);
    expect(problemsWith({ stream: { settle: '2s' } })[0]).toMatch(/did you mean order\.settle\?$/);
    expect(problemsWith({ redsi: {} })[0]).toMatch(/did you mean redis\?$/);
    expect(problemsWith({ zebra: 1 })).toEqual(['zebra is not an option (argument)']);
    expect(problemsWith({ 'order.settle': '2s' })[0]).toMatch(/sections are nested/);
    expect(problemsWith({ order: 'time' })[0]).toMatch(/^order is a section/);
    expect(nearest('oredr.settle', optionRows.keys())).toBe('order.settle');
  });

  it('leave alone what is read elsewhere, and what Kubernetes sets for a Service', () => {
    const env = {
      ...Object.fromEntries(otherVariables.map((name) => [name, 'x'])),
      PATH: '/bin',
      MILLRACE_SERVICE_HOST: '10.0.0.1',
      MILLRACE_SERVICE_PORT: '80',
      MILLRACE_PORT: 'tcp://10.0.0.1:80',
      MILLRACE_PORT_80_TCP: 'tcp://10.0.0.1:80',
      MILLRACE_PORT_80_TCP_PORT: '80',
      MILLRACE_HTTP_SERVICE_HOST: '10.0.0.2',
      MILLRACE_HTTP_SERVICE_PORT_API: '4480',
      MILLRACE_HTTP_PORT: 'tcp://10.0.0.2:4480',
    };
    expect(resolve({ env }).options.http.port).toBe(4480);
    expect(resolve({ env: { ...env, MILLRACE_HTTP_PORT: '81' } }).options.http.port).toBe(81);
    expect(problemsOf(() => resolve({ env: { MILLRACE_HTTP_PORT: 'tcp://10.0.0.2:4480' } }))).toHaveLength(1);
  });

  it('of a file have their line', () => {
    expect(problemsOf(() => resolve(yaml('app: main\norder:\n  settle: [1\n')))[0]).toMatch(/^m\.yaml:\d: /);
    expect(problemsOf(() => resolve(yaml('app: a\napp: b\n')))[0]).toMatch(/^m\.yaml:2: Map keys must be unique/);
    expect(problemsOf(() => resolve(yaml('- app\n')))).toEqual(['m.yaml:1: the file must be a mapping of options']);
    expect(problemsOf(() => resolve(yaml('\n\nordre:\n  settle: 1s\n')))).toEqual([
      'ordre is not an option (file m.yaml:3); did you mean order?',
    ]);
  });

  it('do not come from an empty file, an empty section, an alias or an option without a value', () => {
    expect(resolve(yaml('')).options).toEqual(defaultOptions());
    expect(resolve(yaml('order:\nnats:\n  credentials:\n')).options).toEqual(defaultOptions());
    expect(resolve(yaml('app: &name x\nstream:\n  name: *name\n')).options.stream.name).toBe('x');
  });
});

describe('cross checks', () => {
  const subjects = ['eu.orders.*', 'us.orders.>'];
  const refused: [string, OptionsInput, RegExp][] = [
    ['open HTTP', { http: { host: '::' } }, /^http\.host :: is not a loopback .* http\.token is required: anybody/],
    ['one port twice', { probes: { port: 4480 } }, /^http\.port and probes\.port are both 4480/],
    ['half a certificate', { nats: { tlsCert: 'c.pem' } }, /^nats\.tlsCert and nats\.tlsKey go together/],
    ['half a user', { nats: { user: 'u' } }, /^nats\.user and nats\.password go together/],
    ['two logins', { nats: { token: 't', nkeySeed: 'f' } }, /^nats\.nkeySeed and nats\.token are given/],
    ['a hidden login', { nats: { token: 't', url: 'nats://u:p@h' } }, /^nats\.token and the credentials in nats\.url/],
    ['a bare Redis user', { redis: { username: 'u' } }, /^redis\.username needs redis\.password/],
    ['two Redis logins', { redis: { password: 'p', url: 'redis://:q@h' } }, /^redis\.password and the credentials/],
    ['a CA for no TLS', { redis: { tlsCa: 'ca.pem' } }, /^redis\.tlsCa needs a redis\.url that begins with rediss/],
    ['a long window', { stream: { maxAge: '1m' } }, /^stream\.duplicateWindow 2m is longer than stream\.maxAge 1m/],
    ['a foreign subject', { stream: { publishSubject: 'x.{key}' } }, /is none of stream\.subjects events\.\*/],
    [
      'a key elsewhere',
      { stream: { subjects: ['events.*.*'], publishSubject: 'events.a.{key}' } },
      /has no \{key\} as its token 2/,
    ],
    ['a key out of reach', { event: { key: 'subject:3' } }, /event\.key is subject:3, but "events\.\*" .* no token 3/],
    ['a fixed key', { stream: { subjects } }, /event\.key is subject:2, but "eu\.orders\.\*" .* fixed word "orders"/],
    ['a fixed id', { event: { id: 'subject:1' } }, /event\.id is subject:1, .* same id/],
    ['no partition', { event: { partition: 'subject:3' } }, /event\.partition is subject:3, .* no partition/],
    [
      'a short memory',
      { order: { settle: '2s' }, dedupe: { horizon: '1s' } },
      /^order\.settle 2s is longer than dedupe/,
    ],
    ['a narrow way', { limits: { inFlightBytes: '1MiB' } }, /^limits\.inFlightBytes 1MiB is less than .*1040KiB/],
  ];
  it.each(refused)('refuse %s', (_name, input, problem) => {
    const problems = problemsWith(input);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  it('let everything else pass', () => {
    const fine: OptionsInput[] = [
      { http: { host: '0.0.0.0', token: 't' } },
      { http: { host: 'localhost' } },
      { http: { host: '127.8.9.1', port: 0 }, probes: { port: 0 } },
      { nats: { tlsCert: 'c', tlsKey: 'k', user: 'u', password: 'p' } },
      { dedupe: { horizon: '1s', idempotent: true } },
      { stream: { subjects }, event: { key: 'subject:3', partition: 'key' } },
      { stream: { subjects: ['events.*.*'] }, event: { key: 'subject:3', partition: 'subject:2' } },
      { stream: { subjects: ['>'] }, event: { key: 'json:/order/id' } },
      { redis: { url: 'rediss://h', tlsCa: 'ca.pem' } },
    ];
    for (const input of fine) expect(() => defaultOptions(input)).not.toThrow();
  });

  it('derive the subject of the publisher from those of the stream', () => {
    const subjectOf = (input: OptionsInput) => defaultOptions(input).stream.publishSubject;
    expect(subjectOf({ stream: { subjects: 'orders.*' } })).toBe('orders.{key}');
    expect(subjectOf({ stream: { subjects }, event: { key: 'subject:3' } })).toBe('eu.orders.{key}');
    expect(subjectOf({ stream: { subjects: ['>'] }, event: { key: 'json:/id' } })).toBe('{key}');
  });
});

describe('secrets', () => {
  const secret = 'hunter2';
  it('are hidden in what is printed', () => {
    const flags = { nats: `nats://user:${secret}@a:1,nats://b:2`, redis: `redis://:${secret}@h` };
    const resolved = resolve({ flags, env: { MILLRACE_HTTP_TOKEN: secret } });
    const printed = describeOptions(resolved) + JSON.stringify(describeOptionsJson(resolved));
    expect(printed).not.toContain(secret);
    expect(printed).toMatch(/nats\.url +nats:\/\/\*\*\*@a:1,nats:\/\/b:2 +flag --nats/);
    expect(resolved.options.http.token).toBe(secret);
  });

  it('are hidden in problems', () => {
    const problems = problemsOf(() =>
      resolve({
        flags: { redis: `http://:${secret}@h`, 'handler-options': `{"key":"${secret}` },
        env: { MILLRACE_HTTP_TOKEN: `${secret} x`, MILLRACE_NATS_URL: `nats://u:${secret}@h:port` },
      }),
    );
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toContain(secret);
  });

  it('are hidden in any URL', () => {
    expect(redactUrl('redis://h:6379/1')).toBe('redis://h:6379/1');
    expect(redactUrl(`cannot reach redis://u:${secret}@h:6379, sorry`)).toBe('cannot reach redis://***@h:6379, sorry');
    for (const part of [`nats://${secret}@h`, `u:${secret}@h`, `redis://u:a@${secret}@h`, `nats://u:a,${secret}@h`])
      expect(redactUrl(part)).not.toContain(secret);
    expect(redactUrl(`redis://h?password=${secret}&family=6`)).toBe('redis://h?password=***&family=6');
  });

  it('of NATS URLs are taken apart for the client', () => {
    expect(natsServers('nats://u:p%40ss@a:1,tls://[::1],nats://c')).toEqual({
      servers: ['a:1', '[::1]:4222', 'c:4222'],
      tls: true,
      user: 'u',
      password: 'p@ss',
      token: undefined,
    });
    expect(natsServers('nats://tok@a')).toMatchObject({
      user: undefined,
      password: undefined,
      token: 'tok',
      tls: false,
    });
  });
});

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
