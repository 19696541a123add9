/** What options are when they are given in part, or in several places, and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EventFormat } from '../../src/core/event/event-format.js';
import { otherVariables } from '../../src/options/names.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { nearest } from '../../src/options/suggest.js';
import type { Options, OptionsInput } from '../../src/options/types.js';
import { optionRows } from '../../src/options/types.js';
import { problemsOf, problemsWith, resolve, yaml } from '../support/given-options.js';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-options-'));
afterAll(() => rmSync(scratch, { recursive: true }));

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
