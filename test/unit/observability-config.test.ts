/** The Grafana dashboard and the alert rules that ship: every expression asks for metrics and labels that exist. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type MetricRow, metricTable } from '../../src/observability/names.js';

const config = (path: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../../config/${path}`, import.meta.url)), 'utf8');
const rows: Readonly<Record<string, MetricRow>> = metricTable;
/** Labels that Prometheus adds, and those that rules use of it. */
const added = ['job', 'instance'];

/** Row of a metric, or of the histogram that a series is part of; a histogram has no series of its own name. */
function rowOf(series: string): MetricRow | undefined {
  const row = rows[series] ?? rows[series.replace(/_(?:bucket|sum|count)$/, '')];
  return (row?.type === 'histogram') === (rows[series] === undefined) ? row : undefined;
}

function labelOf(series: string): string | undefined {
  return series.endsWith('_bucket') ? 'le' : rowOf(series)?.label?.name;
}

/** What is wrong with an expression. */
function problems(expression: string): string[] {
  const found: string[] = [];
  const uses = [...expression.matchAll(/\b(millrace_\w+)(\{[^}]*\})?/g)];
  if (uses.length === 0) found.push('no metric of ours');
  for (const [, name, selector = ''] of uses) {
    const row = rowOf(name!);
    if (row === undefined) {
      found.push(`${name} does not exist`);
      continue;
    }
    if (name!.endsWith('_bucket') && !/histogram_quantile\([\d.]+, sum by \([^)]*\ble\b[^)]*\)/.test(expression))
      found.push(`${name}: quantiles are taken of buckets, summed by le`);
    for (const [, label, value] of selector.matchAll(/(\w+)\s*=~?\s*"([^"]*)"/g)) {
      if (added.includes(label!)) continue;
      if (row.label?.name !== label) found.push(`${name} has no label ${label}`);
      else if (!row.label!.values.includes(value!)) found.push(`${name}: ${label} is never ${value}`);
    }
    const isRated = new RegExp(`(?:rate|increase)\\(${name}`).test(expression);
    if (row.type !== 'gauge' && !isRated) found.push(`${name} is counted, and only its growth means something`);
    if (row.type === 'gauge' && isRated) found.push(`${name} is a gauge, and its growth is no rate`);
  }
  for (const [, labels] of expression.matchAll(/by \(([^)]*)\)/g))
    for (const label of labels!.split(',').map((one) => one.trim()))
      if (!added.includes(label) && !uses.some(([, name]) => labelOf(name!) === label))
        found.push(`nothing has the label ${label}`);
  return found;
}

describe('config/grafana', async () => {
  const { panels } = JSON.parse(await config('grafana/millrace.json')) as {
    panels: { id: number; title: string; targets: { expr: string }[] }[];
  };

  it.each(panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)))(
    '%s: %s',
    (_, expr) => {
      expect(problems(expr)).toEqual([]);
    },
  );

  it('has panels with ids and titles of their own', () => {
    expect(panels.length).toBeGreaterThan(12);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});

describe('config/alerts', async () => {
  const { groups } = parse(await config('alerts/millrace.yaml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string; next: string } }[] }[];
  };

  it.each(groups.flatMap(({ rules }) => rules).map((rule) => [rule.alert, rule] as const))(
    '%s',
    (_, { expr, annotations }) => {
      expect(problems(expr)).toEqual([]);
      expect(annotations.summary).toMatch(/\.$/);
      expect(annotations.next.length).toBeGreaterThan(15);
    },
  );

  it('the check itself finds what is wrong', () => {
    expect(problems('sum(millrace_nothing)')).toEqual(['millrace_nothing does not exist']);
    expect(problems('millrace_partitions{phase="asleep"} > 0')).toHaveLength(1);
    expect(problems('millrace_commits_total > 0')).toHaveLength(1);
    expect(problems('rate(millrace_handler_seconds[5m])')).toHaveLength(1);
    expect(problems('rate(millrace_handler_seconds_bucket[5m])')).toHaveLength(1);
    expect(problems('histogram_quantile(0.9, sum by (le) (millrace_handler_seconds_bucket))')).toHaveLength(1);
    expect(problems('sum by (node) (millrace_dead_letters)')).toHaveLength(1);
  });
});
