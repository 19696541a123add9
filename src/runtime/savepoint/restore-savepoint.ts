/**
 * Puts a savepoint into a store, as it was or under another partition count.
 *
 * Each partition is claimed first, so whoever still runs it is fenced. While it is filled its record says that it is
 * unfinished, and no node starts from that; the last commit makes it whole. So a restore that was interrupted has
 * changed nothing that anybody takes for true, and is simply started again.
 *
 * Invariants
 * Z1. What a partition held before is gone before its record is whole.
 * Z2. The position is exact: under another count the stream is asked which events were decided.
 */

import type { Commit } from '../../core/checkpoint/commit.js';
import { ownerText } from '../../core/checkpoint/guard.js';
import type { Layout, PartitionRecord } from '../../core/checkpoint/record.js';
import { encodeRecord, firstRecord, unfinishedRecord } from '../../core/checkpoint/record.js';
import { partitionOf } from '../../core/key/partition.js';
import type { StreamChain } from '../../core/position/stream-chain.js';
import { newestOf } from '../../core/position/stream-chain.js';
import { Repartition } from '../../core/savepoint/repartition.js';
import type { SavepointHead, SavepointLine, SavepointPart } from '../../core/savepoint/savepoint-line.js';
import { MillraceError } from '../../errors.js';
import type { CheckpointStore } from '../../ports/checkpoint-store.js';
import type { Coordinator } from '../../ports/coordinator.js';
import type { EventLog } from '../../ports/event-log.js';
import type { StateSource } from '../../ports/status-sink.js';
import type { KeyRoute } from '../key-route.js';
import { readRange } from '../read-range.js';
import type { SavepointSource } from './savepoint-file.js';
import { recordsOf } from './savepoint-file.js';

export interface RestoreDependencies {
  readonly store: CheckpointStore & StateSource;
  readonly coordinator: Coordinator;
  readonly log: EventLog;
  /** The streams that a partition's positions count through. */
  readonly chainOf: (partition: number) => StreamChain;
  /** Where an event belongs under a count, in an application with one stream. */
  readonly route: (partitions: number) => KeyRoute;
  /** 128 random bits as hexadecimal. */
  readonly nonce: () => string;
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

const COMMIT_BYTES_MAX = 1_000_000;
const PAGE = 1_000;
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
  const plan = new Repartition(records, source.head.partitions, layout);
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

/** One partition on its way from claimed to whole. */
class Filling {
  readonly #partition: number;
  readonly #record: PartitionRecord;
  readonly #signal: AbortSignal;
  readonly #deps: RestoreDependencies;
  #owner = '';
  #number = 0;
  #bytes = 0;
  #segments = 0;
  #letters = 0;
  #changes = noChanges();

  constructor(partition: number, record: PartitionRecord, signal: AbortSignal, deps: RestoreDependencies) {
    this.#partition = partition;
    this.#record = record;
    this.#signal = signal;
    this.#deps = deps;
  }

  /** Claims it, and removes what it holds. Z1. */
  async begin(): Promise<void> {
    const { store, coordinator, log, nonce } = this.#deps;
    const partition = this.#partition;
    const { epoch, origin } = await coordinator.claim(partition);
    const { stream } = newestOf(this.#record.chain);
    const { first } = await log.info(stream);
    if (origin === undefined) await coordinator.establish(partition, first);
    else if (this.#record.position.floor < first - 1 || (isStart(this.#record) && origin < first))
      throw new MillraceError('GAP', `stream ${stream} begins at ${first}: what came before is gone`);
    this.#owner = ownerText({ epoch, nonce: nonce() });
    const seen = await store.read(partition);
    const verdict = await store.claim({ partition, owner: this.#owner, seen, record: unfinishedRecord(this.#record) });
    if (verdict === 'fenced') throw new MillraceError('FENCED', `partition ${partition} was claimed by somebody else`);
    this.#number = seen?.number ?? 0;
    await this.#empty();
  }

  async add(part: Exclude<SavepointPart, 'dedupe'>, field: string, value: string): Promise<void> {
    this.#changes[part].set.push([field, value]);
    if (part === 'dead') this.#letters++;
    await this.#grew(field.length + value.length);
  }

  /** Under a number of its own: segments of several partitions come together. */
  async addSegment(base64: string): Promise<void> {
    const bytes = new Uint8Array(Buffer.from(base64, 'base64'));
    this.#changes.dedupePut.push({ number: ++this.#segments, bytes });
    await this.#grew(bytes.length);
  }

  /** Makes it whole. */
  async finish(): Promise<void> {
    await this.#commit(encodeRecord({ ...this.#record, deadStored: this.#letters }));
  }

  async #empty(): Promise<void> {
    const { store } = this.#deps;
    const stored = await store.load(this.#partition);
    if (stored === undefined) return;
    this.#changes.dedupeDrop.push(...stored.segments.map(({ number }) => number));
    this.#changes.parked.remove.push(...stored.parked.map(([field]) => field));
    this.#changes.outbox.remove.push(...stored.outbox.map(([id]) => id));
    for (let texts = await this.#letterPage(); texts.length > 0; texts = await this.#letterPage()) {
      this.#changes.dead.remove.push(...texts);
      await this.#flush();
    }
    for await (const keys of store.stateKeys(this.#partition)) {
      this.#changes.state.remove.push(...keys);
      await this.#grew(keys.reduce((sum, key) => sum + key.length, 0));
    }
    await this.#flush();
  }

  async #letterPage(): Promise<string[]> {
    const texts = await this.#deps.store.deadLetters(this.#partition, 0, PAGE);
    return texts.map((text) => String((JSON.parse(text) as { sequence: number }).sequence));
  }

  async #grew(by: number): Promise<void> {
    this.#bytes += by;
    if (this.#bytes >= COMMIT_BYTES_MAX) await this.#flush();
  }

  #flush(): Promise<void> {
    return this.#commit(unfinishedRecord(this.#record));
  }

  async #commit(record: string): Promise<void> {
    this.#signal.throwIfAborted();
    const changes = this.#changes;
    this.#changes = noChanges();
    this.#bytes = 0;
    const number = ++this.#number;
    const commit: Commit = { partition: this.#partition, owner: this.#owner, number, record, ...changes };
    if ((await this.#deps.store.commit(commit)) !== 'fenced') return;
    throw new MillraceError('FENCED', `partition ${this.#partition} was claimed by somebody else meanwhile`);
  }
}

/** Nothing was decided yet: every event since the first one of the application belongs to it. */
function isStart({ anchor, position }: PartitionRecord): boolean {
  return anchor.sequence === 0 && position.above.length === 0;
}

interface Changes {
  readonly state: { set: [string, string][]; remove: string[] };
  readonly dead: { set: [string, string][]; remove: string[] };
  readonly parked: { set: [string, string][]; remove: string[] };
  readonly outbox: { set: [string, string][]; remove: string[] };
  readonly dedupePut: { number: number; bytes: Uint8Array }[];
  readonly dedupeDrop: number[];
}

function noChanges(): Changes {
  const none = (): { set: [string, string][]; remove: string[] } => ({ set: [], remove: [] });
  return { state: none(), dead: none(), parked: none(), outbox: none(), dedupePut: [], dedupeDrop: [] };
}

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
