import type { Layout, PartitionRecord } from '../../core/checkpoint/record.js';
import { firstRecord } from '../../core/checkpoint/record.js';
import { partitionOf } from '../../core/key/partition.js';
import type { StreamChain } from '../../core/position/stream-chain.js';
import { newestOf } from '../../core/position/stream-chain.js';
import { Repartition } from '../../core/savepoint/repartition.js';
import type { SavepointHead, SavepointLine } from '../../core/savepoint/savepoint-line.js';
import { MillraceError } from '../../errors.js';
import type { CheckpointStore } from '../../ports/checkpoint-store.js';
import type { KeyRoute } from '../key-route.js';
import { readRange } from '../read-range.js';
import type { FillingDependencies } from './filling.js';
import { Filling } from './filling.js';
import type { SavepointSource } from './savepoint-file.js';
import { recordsOf } from './savepoint-file.js';

export interface RestoreDependencies extends FillingDependencies {
  /** The streams that a partition's positions count through. */
  readonly chainOf: (partition: number) => StreamChain;
  /** Where an event belongs under a count, in an application with one stream. */
  readonly route: (partitions: number) => KeyRoute;
}

export interface RestoreOptions {
  readonly layout: Layout;
  /** What is stored under this application may go. */
  readonly replace: boolean;
  /** Aborts between two commits. */
  readonly signal: AbortSignal;
  readonly told: (progress: RestoreProgress) => void;
}

export interface RestoreProgress {
  readonly partitions: number;
  readonly keys: number;
}

type Entry = Extract<SavepointLine, { kind: 'entry' }>;

const KEYS_TOLD = 1_000;

/** Throws SAVEPOINT_INVALID, TARGET_NOT_EMPTY, GAP and the store's errors. */
export async function restoreSavepoint(
  source: SavepointSource,
  options: RestoreOptions,
  deps: RestoreDependencies,
): Promise<RestoreProgress> {
  const { layout, replace, signal, told } = options;
  if (!replace) await checkEmpty(deps.store, layout);
  const records = await recordsOf(source);
  checkStreams(source.head, records, layout, deps);
  const { first } = await deps.log.info(newestOf(deps.chainOf(0)).stream);
  const plan = new Repartition(records, source.head.partitions, layout, first);
  await askStream(plan, source.head.partitions, options, deps);
  const { partitions } = layout;
  const fillings = new Map<number, Filling>();
  for (let partition = 0; partition < partitions; partition++) {
    signal.throwIfAborted();
    const record = plan.record(partition, 0);
    if (record === undefined && !replace) continue;
    const filling = new Filling(partition, record ?? (await emptyRecord(partition, options, deps)), signal, deps);
    await filling.begin();
    fillings.set(partition, filling);
  }
  const place = placing(source.head.partitions, partitions, deps);
  let keys = 0;
  for await (const line of source.lines()) {
    if (line.kind !== 'entry') continue;
    if (line.part === 'dedupe') {
      // Fingerprints hold id and key, so an id of another key is never found: more of them do no harm.
      for (const [partition, filling] of fillings)
        if (plan.sources(partition).includes(line.partition)) await filling.addSegment(line.value);
      continue;
    }
    await fillings.get(place(line))?.add(line.part, line.field, line.value);
    if (line.part === 'state' && ++keys % KEYS_TOLD === 0) told({ partitions: 0, keys });
  }
  let finished = 0;
  for (const filling of fillings.values()) {
    await filling.finish();
    told({ partitions: ++finished, keys });
  }
  return { partitions: finished, keys };
}

/** Positions of a savepoint mean something only in the streams that they were counted in. */
function checkStreams(
  { partitions, hash }: SavepointHead,
  records: ReadonlyMap<number, PartitionRecord>,
  layout: Layout,
  { chainOf }: RestoreDependencies,
): void {
  const isSame = partitions === layout.partitions;
  for (const [partition, { chain }] of records) {
    const wanted = chainOf(isSame ? partition : 0);
    const isMoved = !isSame && JSON.stringify(chainOf(layout.partitions - 1)) !== JSON.stringify(wanted);
    if (hash === layout.hash && !isMoved && JSON.stringify(chain) === JSON.stringify(wanted)) continue;
    const problem = isMoved
      ? 'the partition count stays where there are several streams'
      : `partition ${partition} was counted through ${names(chain)} (${hash}), here it is ${names(wanted)} (${layout.hash})`;
    throw new MillraceError('SAVEPOINT_INVALID', problem);
  }
}

const names = (chain: StreamChain): string => chain.map(({ stream, base }) => `${stream} from ${base + 1}`).join(', ');

/** The new partition of an entry: of its key, or of the bytes of the event that it holds. */
function placing(old: number, partitions: number, { route }: RestoreDependencies): (line: Entry) => number {
  const find = route(partitions);
  return ({ part, partition, field, value }) => {
    if (old === partitions) return partition;
    if (part === 'state') return partitionOf(field, partitions);
    if (part === 'outbox') return partition % partitions;
    if (field.startsWith('key:')) return partitionOf(field.slice('key:'.length), partitions);
    const { subject, headers, body, encoding } = JSON.parse(value) as StoredEvent;
    const bytes = Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
    return find(Buffer.from(subject), headers === null ? undefined : Buffer.from(headers), bytes);
  };
}

/** What dead letters and parked events have in common. */
interface StoredEvent {
  readonly subject: string;
  readonly headers: string | null;
  readonly body: string;
  readonly encoding: string;
}

async function checkEmpty(store: CheckpointStore, { app, partitions }: Layout): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    if ((await store.read(partition)) === undefined) continue;
    throw new MillraceError('TARGET_NOT_EMPTY', `application ${app} has a checkpoint of partition ${partition}`);
  }
}

/** Z2. */
async function askStream(
  plan: Repartition,
  old: number,
  { layout, signal }: RestoreOptions,
  { log, route, chainOf }: RestoreDependencies,
): Promise<void> {
  const { range } = plan;
  if (range === undefined) return;
  const [before, after] = [route(old), route(layout.partitions)];
  const { stream } = newestOf(chainOf(0));
  await readRange(log, { stream, ...range, signal }, (sequence, _, subject, headers, body) =>
    plan.decided(sequence, before(subject, headers, body), after(subject, headers, body)),
  );
}

/** A partition that the savepoint knows nothing of starts where the stream does. */
async function emptyRecord(
  partition: number,
  { layout }: RestoreOptions,
  { log, chainOf }: RestoreDependencies,
): Promise<PartitionRecord> {
  const chain = chainOf(partition);
  const { first } = await log.info(newestOf(chain).stream);
  return firstRecord({ layout, chain, partition, first, gaps: [], savedAt: 0 });
}
