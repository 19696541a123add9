/** The list of names and the code say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorTable } from '../../src/errors.js';
import type { MetricRow } from '../../src/observability/names.js';
import { logEvents, metricTable } from '../../src/observability/names.js';

/** The built sources: comments and layout may differ from the written ones, calls do not. */
const root = fileURLToPath(new URL('../../src/', import.meta.url));

const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js'))
  .map((name) => readFileSync(join(root, name), 'utf8'));

function found(pattern: RegExp): string[] {
  return sources.flatMap((source) => [...source.matchAll(pattern)].map((match) => match[1]!));
}

/** `line('warn', 'some.event', …)`, also as `log`, `#line`, `deps.line` and with `?.`. */
const LINES = /\b(?:line|log)(?:\?\.)?\(\s*[^,()]*,\s*'([^']+)'/g;
/** `retrying(clock, log, 'some.work', …)`. */
const RETRIES = /\bretrying\(\s*[^,()]*,\s*[^,()]*,\s*'([^']+)'/g;

describe('log events', () => {
  it('are those that the code writes, no more and no fewer', () => {
    const retried = found(RETRIES).flatMap((work) => [`${work}.waiting`, `${work}.recovered`, `${work}.abandoned`]);
    const used = new Set([...found(LINES), ...retried]);
    expect([...used].sort()).toEqual(Object.keys(logEvents).sort());
  });

  it('are lower-case words with dots, each with a sentence', () => {
    for (const [name, meaning] of Object.entries(logEvents)) {
      expect(name).toMatch(/^[a-z]+(\.[a-z]+)*$/);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('metrics', () => {
  it('are named as Prometheus expects: counters end in _total, units are base units, every one has help', () => {
    for (const [name, { type, help }] of Object.entries(metricTable) as [string, MetricRow][]) {
      expect(name).toMatch(/^millrace_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(name).not.toMatch(/_(?:ms|milliseconds|kb|minutes)(?:_|$)/);
      expect(help).toMatch(/^\S.*\.$/);
    }
  });

  it('have labels from closed sets only: nothing that a publisher can choose', () => {
    const rows: MetricRow[] = Object.values(metricTable);
    const labels = rows.flatMap(({ label }) => (label === undefined ? [] : [label]));
    expect(new Set(labels.map(({ name }) => name))).toEqual(new Set(['reason', 'phase', 'code', 'quantile']));
    for (const { values } of labels) expect(values.length).toBeLessThanOrEqual(Object.keys(errorTable).length);
  });
});
