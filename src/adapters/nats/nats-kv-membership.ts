/**
 * Membership in a NATS KV bucket, beside the claims.
 *
 * `node.<name>` → `{"incarnation":"…","beat":17,"leaving":false,"stalled":false,"reads":[1,1],"since":…,"progress":…}`
 *
 * Invariants
 * B1. A view is shown only when the server has once had nothing more to bring. Even then an entry may be missing: one
 *     that is written again while the first ones are on their way comes later. So only a removal that was seen counts
 *     as one.
 * B2. A watch that does not bring our beats back is no watch: it is started over, and with it the view.
 * B3. Fields that this build does not know are passed over: a newer one may have more to say.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection, QueuedIterator } from '@nats-io/nats-core';
import { messageOf } from '../../errors.js';
import type { LogLine } from '../../ports/log.js';
import type { Claim, ClusterView, Member, MemberEntry, Membership, MemberTicket } from '../../ports/membership.js';
import { bucketName } from './kv-bucket.js';
import { isCount, KvClaims, newClaim, parseClaim, parseObject, partitionOfKey } from './kv-claims.js';
import { KvEntries } from './kv-entries.js';

export interface NatsKvMembershipOptions {
  /** Stays open when the watch has ended. */
  readonly nc: NatsConnection;
  readonly app: string;
  /** Name of this node. */
  readonly node: string;
  /** Random for each process. */
  readonly incarnation: string;
  readonly line: LogLine;
  /** How long one call may try, ms; 5 s by default. */
  readonly deadlineMs?: number | undefined;
  /** Wall clock, epoch ms; for people, decides nothing. */
  readonly now?: (() => number) | undefined;
}

const DEADLINE_MS = 5_000;
const RESTART_MS = 500;
const PREFIX = 'node.';

/** A `Membership` over NATS KV. Errors as those of `NatsKvCoordinator`. */
export class NatsKvMembership implements Membership {
  readonly #entries: KvEntries;
  readonly #nc: NatsConnection;
  readonly #claims: KvClaims;
  readonly #node: string;
  readonly incarnation: string;
  readonly #line: LogLine;
  readonly #now: () => number;
  /** Our newest beat that is stored, and the newest that the watch has brought. */
  #beat = 0;
  #seen = 0;
  #iterator: QueuedIterator<KvWatchEntry> | undefined;

  constructor(options: NatsKvMembershipOptions) {
    const { nc, app, node, incarnation, line, deadlineMs = DEADLINE_MS, now = Date.now } = options;
    this.#entries = new KvEntries(nc, bucketName(app), deadlineMs);
    this.#claims = new KvClaims(this.#entries);
    this.#nc = nc;
    this.#node = node;
    this.incarnation = incarnation;
    this.#line = line;
    this.#now = now;
  }

  async beat(entry: MemberEntry, take: boolean): Promise<'present' | 'superseded'> {
    // B2.
    if (this.#iterator !== undefined && this.#seen < this.#beat) this.#iterator.stop();
    const beat = this.#beat + 1;
    const text = formatMember(entry, this.incarnation, beat);
    const stored = await this.#entries.change(this.#key(), (before) => {
      if (before === undefined || take) return text;
      const owner = parseObject(before)?.incarnation;
      return typeof owner === 'string' && owner !== this.incarnation ? before : text;
    });
    if (stored !== text) return 'superseded';
    this.#beat = beat;
    return 'present';
  }

  leave(): Promise<void> {
    return this.#entries.remove(this.#key(), (text) => parseObject(text)?.incarnation === this.incarnation);
  }

  evict({ name, revision }: Member): Promise<void> {
    return this.#entries.remove(`${PREFIX}${name}`, (_, stored) => stored === revision);
  }

  async claim(partition: number, after: number): Promise<MemberTicket | undefined> {
    let isOurs = true;
    let before: Claim | undefined;
    const claim = await this.#claims.change(partition, (stored, revision) => {
      const isOwn = stored?.epoch === after + 1 && stored.incarnation === this.incarnation && !stored.isReleased;
      isOurs = stored === undefined || stored.epoch === after || isOwn;
      before = isOwn ? undefined : stored;
      if (!isOurs || isOwn) return stored;
      const claimed = newClaim(this.#node, this.incarnation, this.#now());
      return { ...claimed, epoch: (stored?.epoch ?? revision) + 1, origin: stored?.origin };
    });
    return isOurs && claim !== undefined ? { epoch: claim.epoch, origin: claim.origin, before } : undefined;
  }

  async release(partition: number, epoch: number, applied: number | undefined): Promise<void> {
    await this.#claims.change(partition, (stored) =>
      stored?.epoch === epoch && !stored.isReleased ? { ...stored, isReleased: true, applied } : undefined,
    );
  }

  async find(name: string): Promise<Member | undefined> {
    const found = await this.#entries.find(`${PREFIX}${name}`);
    return found === undefined ? undefined : parseMember(name, found.text, found.revision);
  }

  watch(changed: (view: ClusterView) => void): () => void {
    let isWanted = true;
    void (async () => {
      while (isWanted && !this.#nc.isClosed()) {
        try {
          const iterator = await this.#entries.watch();
          this.#iterator = iterator;
          if (isWanted) await this.#follow(iterator, changed);
        } catch (error) {
          this.#line('warn', 'cluster.watch', { error: messageOf(error) });
        }
        await pause(RESTART_MS);
      }
    })();
    return () => {
      isWanted = false;
      this.#iterator?.stop();
    };
  }

  async #follow(iterator: QueuedIterator<KvWatchEntry>, changed: (view: ClusterView) => void): Promise<void> {
    const members = new Map<string, Member>();
    const claims = new Map<number, Claim>();
    const left = new Set<string>();
    let isWhole = false;
    for await (const entry of iterator) {
      const { key, revision } = entry;
      const text = entry.operation === 'PUT' ? entry.string() : undefined;
      const partition = partitionOfKey(key);
      if (partition !== undefined) setOrDelete(claims, partition, this.#claimOf(key, text));
      else if (key.startsWith(PREFIX)) {
        const name = key.slice(PREFIX.length);
        setOrDelete(members, name, text === undefined ? undefined : parseMember(name, text, revision));
        if (text === undefined) left.add(name);
        else left.delete(name);
        if (key === this.#key() && text !== undefined) this.#note(text);
      }
      isWhole ||= entry.delta === 0; // B1
      if (isWhole && iterator.getPending() === 0) changed({ members, left, claims });
    }
  }

  #note(text: string): void {
    const { incarnation, beat } = parseObject(text) ?? {};
    if (incarnation === this.incarnation && isCount(beat)) this.#seen = beat;
  }

  /** A claim that cannot be read is like none here; whoever then claims the partition is told what is wrong with it. */
  #claimOf(key: string, text: string | undefined): Claim | undefined {
    try {
      return text === undefined ? undefined : parseClaim(this.#entries.bucket, key, text);
    } catch (error) {
      this.#line('warn', 'cluster.watch', { error: messageOf(error) });
      return undefined;
    }
  }

  #key(): string {
    return `${PREFIX}${this.#node}`;
  }
}

function setOrDelete<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function formatMember(entry: MemberEntry, incarnation: string, beat: number): string {
  const { isLeaving, isStalled, reads, url, since, progress } = entry;
  return JSON.stringify({ incarnation, beat, leaving: isLeaving, stalled: isStalled, reads, url, since, progress });
}

/** B3. Undefined for what no node writes. */
function parseMember(name: string, text: string, revision: number): Member | undefined {
  const { incarnation, leaving, stalled, reads, url, since, progress } = parseObject(text) ?? {};
  if (typeof incarnation !== 'string' || !Array.isArray(reads) || !reads.every(isCount)) return undefined;
  return {
    name,
    revision,
    incarnation,
    isLeaving: leaving === true,
    isStalled: stalled === true,
    reads: [reads[0] ?? 0, reads[1] ?? 0],
    url: typeof url === 'string' ? url : undefined,
    since: isCount(since) ? since : 0,
    progress: isCount(progress) ? progress : 0,
  };
}
