/**
 * The coordinator in a NATS KV bucket: who claimed a partition last, and the proof that its record must exist.
 *
 * `partition.<p>` → `{"epoch":3,"node":"a","origin":"1","since":"2026-01-31T12:00:00.000Z"}`
 * `layout`        → `{"partitions":64,"hash":"fnv1a32","format":1}`
 *
 * Invariants
 * K1. Every write names the revision it changes, so an outdated reading or a write that arrives late changes nothing.
 * K2. An epoch is never above the revision that it is written with: one write adds one to the epoch and at least one
 *     to the revision. So after a deletion epochs go on above the deletion's revision (contract O1).
 * K3. An entry that cannot be read is `CORRUPT_CHECKPOINT`, never an absent one: it is the proof of contract O2.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { isReadableFormat } from '../../core/checkpoint/record.js';
import { MillraceError } from '../../errors.js';
import type { ClaimTicket, Coordinator, Holder } from '../../ports/coordinator.js';
import { bucketName } from './kv-bucket.js';
import { KvEntries } from './kv-entries.js';

/** What stored partitions depend on; nodes with another layout must not start. */
export interface StoredLayout {
  readonly partitions: number;
  /** Name of the key hash. */
  readonly hash: string;
  /** Format number of the checkpoint records. */
  readonly format: number;
}

export interface NatsKvCoordinatorOptions {
  /** Stays open when the coordinator is closed. */
  readonly nc: NatsConnection;
  readonly app: string;
  /** Name of this node, for people. */
  readonly node: string;
  readonly partitions: number;
  /** How long one call may try, ms; 5 s by default. */
  readonly deadlineMs?: number | undefined;
  /** Wall clock, epoch ms; for people, decides nothing. */
  readonly now?: (() => number) | undefined;
}

interface Ownership extends ClaimTicket {
  readonly node: string;
  readonly since: string;
}

const DEADLINE_MS = 5_000;

/**
 * A `Coordinator` for one node over NATS KV. Errors are MillraceErrors: `NATS_UNREACHABLE` after the deadline (the
 * outcome of what was under way is unknown, and calling again is safe), `STREAM_MISSING` without the bucket.
 */
export class NatsKvCoordinator implements Coordinator {
  readonly #entries: KvEntries;
  readonly #node: string;
  readonly #partitions: number;
  readonly #now: () => number;

  constructor({ nc, app, node, partitions, deadlineMs = DEADLINE_MS, now = Date.now }: NatsKvCoordinatorOptions) {
    this.#entries = new KvEntries(nc, bucketName(app), deadlineMs);
    this.#node = node;
    this.#partitions = partitions;
    this.#now = now;
  }

  async assignment(): Promise<readonly number[]> {
    return Array.from({ length: this.#partitions }, (_, partition) => partition);
  }

  async claim(partition: number): Promise<ClaimTicket> {
    const { epoch, origin } = await this.#change(partition, (stored, revision) => ({
      epoch: (stored?.epoch ?? revision) + 1,
      node: this.#node,
      origin: stored?.origin,
      since: new Date(this.#now()).toISOString(),
    }));
    return { epoch, origin };
  }

  async holder(partition: number): Promise<Holder | undefined> {
    const key = partitionKey(partition);
    const text = await this.#entries.read(key);
    if (text === undefined) return undefined;
    const { epoch, node } = parseOwnership(this.#entries.bucket, key, text);
    return { epoch, node };
  }

  async establish(partition: number, origin: number): Promise<void> {
    await this.#change(partition, (stored, revision) => ({
      epoch: stored?.epoch ?? revision,
      node: stored?.node ?? this.#node,
      origin,
      since: stored?.since ?? new Date(this.#now()).toISOString(),
    }));
  }

  /**
   * Stores the layout if none is, and else compares. A format that this version still reads is raised to its own: from
   * then on its records may hold what an older version would not understand, and that one must not start any more.
   * @throws MillraceError `LAYOUT_MISMATCH` with both.
   */
  async checkLayout(layout: StoredLayout): Promise<void> {
    const { partitions, hash, format } = layout;
    const wanted = JSON.stringify({ partitions, hash, format });
    const stored = await this.#entries.change('layout', (text) => {
      const old = text === undefined ? undefined : parseObject(text);
      const isOlder = isCount(old?.format) && old.format < format && isReadableFormat(old.format);
      const isSame = old?.partitions === partitions && old.hash === hash;
      return text === undefined || (isOlder && isSame) ? wanted : text;
    });
    if (stored === wanted) return;
    throw new MillraceError(
      'LAYOUT_MISMATCH',
      `bucket ${this.#entries.bucket} holds the layout ${stored}, this node has ${wanted}`,
    );
  }

  async close(): Promise<void> {}

  async #change(
    partition: number,
    next: (stored: Ownership | undefined, revision: number) => Ownership,
  ): Promise<Ownership> {
    const key = partitionKey(partition);
    let ownership: Ownership | undefined;
    await this.#entries.change(key, (text, revision) => {
      ownership = next(text === undefined ? undefined : parseOwnership(this.#entries.bucket, key, text), revision);
      return formatOwnership(ownership);
    });
    return ownership!;
  }
}

function partitionKey(partition: number): string {
  return `partition.${partition}`;
}

function formatOwnership({ epoch, node, origin, since }: Ownership): string {
  return JSON.stringify({ epoch, node, ...(origin === undefined ? {} : { origin: String(origin) }), since });
}

function parseOwnership(bucket: string, key: string, text: string): Ownership {
  const value = parseObject(text);
  const { epoch, node, origin, since } = value ?? {};
  const first = origin === undefined ? undefined : Number(origin);
  const isOrigin = origin === undefined || (typeof origin === 'string' && /^\d{1,16}$/.test(origin));
  if (!isCount(epoch) || typeof node !== 'string' || typeof since !== 'string' || !isOrigin || !isCount(first ?? 0)) {
    throw new MillraceError('CORRUPT_CHECKPOINT', `${key} in bucket ${bucket} cannot be read: ${text.slice(0, 200)}`);
  }
  return { epoch, node, origin: first, since };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
