/**
 * The coordinator in a NATS KV bucket: who claimed a partition last, and the proof that its record must exist.
 *
 * `partition.<p>` → see kv-claims.ts
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
import { isCount, KvClaims, newClaim, parseObject } from './kv-claims.js';
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
  /** Random for each process; '' where it does not matter which process of that name claims. */
  readonly incarnation?: string | undefined;
  /** How long one call may try, ms; 5 s by default. */
  readonly deadlineMs?: number | undefined;
  /** Wall clock, epoch ms; for people, decides nothing. */
  readonly now?: (() => number) | undefined;
}

const DEADLINE_MS = 5_000;

/**
 * A `Coordinator` for one node over NATS KV. Errors are MillraceErrors: `NATS_UNREACHABLE` after the deadline (the
 * outcome of what was under way is unknown, and calling again is safe), `STREAM_MISSING` without the bucket.
 */
export class NatsKvCoordinator implements Coordinator {
  readonly #entries: KvEntries;
  readonly #claims: KvClaims;
  readonly #node: string;
  readonly #incarnation: string;
  readonly #now: () => number;

  constructor({ nc, app, node, incarnation = '', deadlineMs = DEADLINE_MS, now = Date.now }: NatsKvCoordinatorOptions) {
    this.#entries = new KvEntries(nc, bucketName(app), deadlineMs);
    this.#claims = new KvClaims(this.#entries);
    this.#node = node;
    this.#incarnation = incarnation;
    this.#now = now;
  }

  async claim(partition: number): Promise<ClaimTicket> {
    const { epoch, origin } = await this.#claims.change(partition, (stored, revision) => ({
      ...newClaim(this.#node, this.#incarnation, this.#now()),
      epoch: (stored?.epoch ?? revision) + 1,
      origin: stored?.origin,
    }));
    return { epoch, origin };
  }

  async holder(partition: number): Promise<Holder | undefined> {
    const claim = await this.#claims.read(partition);
    return claim === undefined ? undefined : { epoch: claim.epoch, node: claim.node };
  }

  async establish(partition: number, origin: number): Promise<void> {
    await this.#claims.change(partition, (stored, revision) => ({
      ...(stored ?? { ...newClaim(this.#node, this.#incarnation, this.#now()), epoch: revision }),
      origin,
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
}
