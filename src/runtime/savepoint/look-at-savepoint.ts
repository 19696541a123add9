/** What is in a savepoint, and what differs between two. */
import type { SavepointSource } from './savepoint-file.js';
import { recordsOf } from './savepoint-file.js';

export interface SavepointContents {
  readonly app: string;
  readonly stream: string;
  readonly partitions: number;
  readonly at: string;
  /** Partitions that have a checkpoint. */
  readonly stored: number;
  /** Lowest and highest floor. */
  readonly first: number | null;
  readonly last: number | null;
  readonly keys: number;
  readonly applied: number;
  readonly dead: number;
  readonly parked: number;
}

export async function inspectSavepoint(source: SavepointSource): Promise<SavepointContents> {
  const { app, stream, partitions, at } = source.head;
  const records = [...(await recordsOf(source)).values()];
  const floors = records.map(({ position }) => position.floor);
  const counts = { state: 0, dead: 0, parked: 0, dedupe: 0, outbox: 0 };
  for await (const line of source.lines())
    if (line.kind === 'entry' && !line.field.startsWith('key:')) counts[line.part]++;
  return {
    app,
    stream,
    partitions,
    at,
    stored: records.length,
    first: floors.length === 0 ? null : Math.min(...floors),
    last: floors.length === 0 ? null : Math.max(...floors),
    keys: counts.state,
    applied: records.reduce((sum, { counters }) => sum + counters.applied, 0),
    dead: counts.dead,
    parked: counts.parked,
  };
}

/** A key whose handler's state differs; JSON texts. */
export interface StateDifference {
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** By key within each partition of the first, then what only the second has. States alone count, not their sequences. */
export async function* diffSavepoints(
  before: SavepointSource,
  after: SavepointSource,
): AsyncGenerator<StateDifference, void> {
  const others = new Map<string, string>();
  for await (const [key, state] of statesOf(after)) others.set(key, state);
  for await (const [key, state] of statesOf(before)) {
    const other = others.get(key) ?? null;
    others.delete(key);
    if (other !== state) yield { key, before: state, after: other };
  }
  for (const [key, state] of [...others].sort(([a], [b]) => (a < b ? -1 : 1)))
    yield { key, before: null, after: state };
}

async function* statesOf(source: SavepointSource): AsyncGenerator<[string, string], void> {
  for await (const line of source.lines()) {
    if (line.kind !== 'entry' || line.part !== 'state') continue;
    yield [line.field, JSON.stringify((JSON.parse(line.value) as { state: unknown }).state)];
  }
}
