/** Log lines: one JSON object each, and nothing in them that must not be. */
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/adapters/pino/pino-log.js';
import { redactCredentials } from '../../src/observability/redact.js';

type Lines = Record<string, unknown>[];

function logOf(level: 'debug' | 'info' = 'debug') {
  const texts: string[] = [];
  const log = createLog({ level, node: 'node-1', destination: { write: (text) => void texts.push(text) } });
  const lines = (): Lines => texts.map((text) => JSON.parse(text) as Record<string, unknown>);
  return { ...log, texts, lines };
}

/** The one field that a line was given. */
function written(value: unknown): unknown {
  const { line, lines } = logOf();
  line('info', 'some.event', { value });
  return lines()[0]?.value;
}

describe('a line', () => {
  it('has the time, the level, the node, the event and its fields', () => {
    const { line, lines, texts } = logOf();
    line('warn', 'partition.fenced', { slot: 1, partition: 17, message: 'refused' });
    const [{ time, ...rest }] = lines() as [Record<string, unknown>];
    expect(rest).toEqual({
      level: 'warn',
      node: 'node-1',
      event: 'partition.fenced',
      slot: 1,
      partition: 17,
      message: 'refused',
    });
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(texts[0]?.trimEnd()).not.toContain('\n');
  });

  it('is left out below the level', () => {
    const { line, texts } = logOf('info');
    line('debug', 'log.restart', {});
    expect(texts).toEqual([]);
  });

  it('keeps its own names to itself', () => {
    const { line, lines } = logOf();
    line('info', 'a.b', { node: 'other', level: 9, time: 1, event: 'x' });
    expect(lines()[0]).toMatchObject({ node: 'node-1', level: 'info', event: 'a.b', node_: 'other', event_: 'x' });
  });

  it('reaches a file, and is in it after flush', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
    const path = join(directory, 'log');
    const log = createLog({ level: 'info', node: 'n', destination: openSync(path, 'w') });
    for (let n = 0; n < 100; n++) log.line('info', 'a.b', { n });
    await log.flush();
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(100);
    rmSync(directory, { recursive: true });
  });
});

describe('fields', () => {
  it('have no control characters, and no more than 512 characters', () => {
    expect(written('a\u0000b\r\nc\u001b[31m\u009b\u202e\u2028')).toBe(
      'a\\u0000b\\u000d\\u000ac\\u001b[31m\\u009b\\u202e\\u2028',
    );
    expect(written('half \ud83c')).toBe('half \\ud83c');
    expect(written('whole 🎈 é 漢')).toBe('whole 🎈 é 漢');
    expect((written('x'.repeat(5000)) as string).length).toBe(512);
  });

  it('never carry payloads', () => {
    const { line, texts } = logOf();
    const secret = 'card 4111';
    line('info', 'a.b', {
      body: secret,
      data: { secret },
      state: secret,
      deep: { payload: secret },
      headers: [secret],
    });
    line('info', 'a.b', { bytes: new TextEncoder().encode(secret) });
    expect(texts.join()).not.toContain(secret);
    expect(texts.join()).not.toContain('52,49');
  });

  it('are bounded in number and in depth', () => {
    expect(written(Array.from({ length: 1000 }, (_, n) => n))).toHaveLength(32);
    expect(written({ a: { b: { c: { d: 1 } } } })).toEqual({ a: { b: '[object]' } });
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(JSON.stringify(written(cycle)).length).toBeLessThan(100);
    expect(written(10n)).toBe('10');
    expect(written(() => 1)).toBe('[function]');
  });

  it('say an error on one line, without its stack', () => {
    expect(written(new Error('first\n  second'))).toBe('first second');
  });
});

describe('credentials in URLs', () => {
  it('are hidden wherever they stand', () => {
    const url = 'redis://user:p@ss/w@rd@host:6379/0';
    for (const value of [url, `cannot reach ${url} now`, [url], { url }, new Error(`at ${url}`)]) {
      const text = JSON.stringify(written(value));
      expect(text).not.toContain('p@ss');
      expect(text).not.toContain('user');
      expect(text).toContain('redis://***@host:6379/0');
    }
    expect(redactCredentials('nats://a:b@h1,nats://token@h2 and tls://h3')).toBe(
      'nats://***@h1,nats://***@h2 and tls://h3',
    );
    expect(redactCredentials('https://h/?token=abc&x=1')).toBe('https://h/?token=***&x=1');
  });

  it('are not half shown where the text is cut', () => {
    const text = `${'x'.repeat(490)} redis://user:${'secret'.repeat(20)}@host`;
    expect(written(text)).not.toContain('secret');
  });

  it('are not seen where there is no URL: a key may be an address', () => {
    expect(written('alice@example.com')).toBe('alice@example.com');
  });

  it('are looked for in linear time', () => {
    const text = `://${'a'.repeat(200_000)}`;
    const before = performance.now();
    redactCredentials(text);
    redactCredentials('://'.repeat(100_000));
    expect(performance.now() - before).toBeLessThan(1000);
  });
});
