/** What an option may be: numbers, durations, sizes, names, places; and what is never shown of it. */
import { describe, expect, it } from 'vitest';
import { describeOptions, describeOptionsJson } from '../../src/options/describe.js';
import { parseDuration, parseSize, printDuration, printSize } from '../../src/options/quantities.js';
import { natsServers, redactUrl } from '../../src/options/urls.js';
import { problemsOf, problemsWith, resolve } from '../support/given-options.js';

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
