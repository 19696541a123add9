/** One partition that a restore fills, from claimed to whole: see restore-savepoint.ts. */
import type { Commit } from '../../core/checkpoint/commit.js';
import { ownerText } from '../../core/checkpoint/guard.js';
import type { PartitionRecord } from '../../core/checkpoint/record.js';
import { encodeRecord, unfinishedRecord } from '../../core/checkpoint/record.js';
import { newestOf } from '../../core/position/stream-chain.js';
import type { SavepointPart } from '../../core/savepoint/savepoint-line.js';
import { MillraceError } from '../../errors.js';
import type { CheckpointStore } from '../../ports/checkpoint-store.js';
import type { Coordinator } from '../../ports/coordinator.js';
import type { EventLog } from '../../ports/event-log.js';
import type { Membership } from '../../ports/membership.js';
import type { StateSource } from '../../ports/status-sink.js';

export interface FillingDependencies {
  readonly store: CheckpointStore & StateSource;
  readonly coordinator: Coordinator;
  /** Where nodes find each other: what is filled is let go, so that the next one need not wait whether its owner is gone. */
  readonly membership: Pick<Membership, 'release'> | undefined;
  readonly log: EventLog;
  /** 128 random bits as hexadecimal. */
  readonly nonce: () => string;
}

const COMMIT_BYTES_MAX = 1_000_000;
const PAGE = 1_000;

/** Its record says that it is unfinished until `finish`; nothing of it is used before. */
export class Filling {
  readonly #partition: number;
  readonly #record: PartitionRecord;
  readonly #signal: AbortSignal;
  readonly #deps: FillingDependencies;
  #owner = '';
  #epoch = 0;
  #number = 0;
  #bytes = 0;
  #segments = 0;
  #letters = 0;
  #changes = noChanges();

  constructor(partition: number, record: PartitionRecord, signal: AbortSignal, deps: FillingDependencies) {
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
    this.#epoch = epoch;
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

  /** Makes it whole, and lets go of it. */
  async finish(): Promise<void> {
    await this.#commit(encodeRecord({ ...this.#record, deadStored: this.#letters }));
    await this.#deps.membership?.release(this.#partition, this.#epoch, this.#record.counters.applied);
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
