/** The status table as any SQL client sees it. */
import { isDeepStrictEqual } from 'node:util';
import type { Client } from 'pg';
import type { Expected, ExpectedState } from './oracle.js';
import { until } from './until.js';

const DIFFERENCES_MAX = 8;

/** Rows of an application by key, as the envelope that the store has. */
async function readTable(sql: Client, app: string): Promise<Map<string, ExpectedState & { partition: number }>> {
  const { rows } = await sql.query<Record<string, string | null>>('SELECT * FROM status WHERE app = $1', [app]);
  return new Map(
    rows.map(({ key, partition, state, event_time_ms, event_id, sequence, key_sequence, applied }) => [
      key!.replaceAll('%25', '%'),
      {
        partition: Number(partition),
        state: JSON.parse(state!),
        time: Number(event_time_ms),
        id: event_id!,
        sequence: sequence!,
        applied: Number(applied),
        ...(key_sequence === null ? {} : { keySequence: Number(key_sequence) }),
      },
    ]),
  );
}

/** What the table has otherwise than the oracle; empty if nothing. */
export async function tableDifferences(sql: Client, app: string, wanted: Expected): Promise<string[]> {
  const rows = await readTable(sql, app);
  const differences: string[] = [];
  for (const [partition, { states }] of wanted.partitions.entries()) {
    for (const [key, state] of states) {
      const row = rows.get(key);
      rows.delete(key);
      const should = { partition, ...JSON.parse(JSON.stringify(state)) };
      if (!isDeepStrictEqual(row, should)) differences.push(`${key} is ${show(row)}, it should be ${show(should)}`);
    }
  }
  for (const [key, row] of rows) differences.push(`${key} should not be there: ${show(row)}`);
  return differences;
}

const show = (value: unknown): string => JSON.stringify(value);

/** Waits until the table is what the oracle expects; throws with the first differences. */
export async function untilTable(sql: Client, app: string, wanted: Expected, deadlineMs = 30_000): Promise<void> {
  let differences: string[] = [];
  await until(
    async () => {
      differences = await tableDifferences(sql, app, wanted);
      return differences.length === 0;
    },
    deadlineMs,
    () => `a table like the oracle; ${differences.length} differ:\n${differences.slice(0, DIFFERENCES_MAX).join('\n')}`,
  );
}
