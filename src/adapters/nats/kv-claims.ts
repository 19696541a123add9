/**
 * Claims as they are stored in the bucket, one entry per partition:
 *
 * `partition.<p>` → `{"epoch":3,"node":"a","incarnation":"…","origin":"1","since":"2026-01-31T12:00:00.000Z"}`, and
 * `"released":true,"applied":17` once its owner has let go of it.
 */
import { MillraceError } from '../../errors.js';
import type { ClaimTicket } from '../../ports/coordinator.js';
import type { Claim } from '../../ports/membership.js';
import type { KvEntries } from './kv-entries.js';

/** What is stored of a partition's claim, and of the partition beyond it. */
export type StoredClaim = Claim & Pick<ClaimTicket, 'origin'>;

const PREFIX = 'partition.';

/** Changes of claims by compare-and-set. */
export class KvClaims {
  readonly #entries: KvEntries;

  constructor(entries: KvEntries) {
    this.#entries = entries;
  }

  async read(partition: number): Promise<StoredClaim | undefined> {
    const key = claimKey(partition);
    const text = await this.#entries.read(key);
    return text === undefined ? undefined : parseClaim(this.#entries.bucket, key, text);
  }

  /** What `next` answers last is stored and returned; undefined stores nothing. `revision` as in `KvEntries.change`. */
  async change<T extends StoredClaim | undefined>(
    partition: number,
    next: (stored: StoredClaim | undefined, revision: number) => T,
  ): Promise<T> {
    const key = claimKey(partition);
    let claim: T | undefined;
    await this.#entries.change(key, (text, revision) => {
      claim = next(text === undefined ? undefined : parseClaim(this.#entries.bucket, key, text), revision);
      return claim === undefined ? undefined : formatClaim(claim);
    });
    return claim as T;
  }
}

/** A claim of this moment. `now`: epoch ms. */
export function newClaim(node: string, incarnation: string, now: number): Omit<StoredClaim, 'epoch' | 'origin'> {
  return { node, incarnation, since: new Date(now).toISOString(), isReleased: false, applied: undefined };
}

/** Key of a partition's claim. */
function claimKey(partition: number): string {
  return `${PREFIX}${partition}`;
}

/** Partition of a key, undefined if it is no claim's. */
export function partitionOfKey(key: string): number | undefined {
  return /^partition\.\d{1,9}$/.test(key) ? Number(key.slice(PREFIX.length)) : undefined;
}

function formatClaim({ epoch, node, incarnation, origin, since, isReleased, applied }: StoredClaim): string {
  return JSON.stringify({
    epoch,
    node,
    ...(incarnation === '' ? {} : { incarnation }),
    ...(origin === undefined ? {} : { origin: String(origin) }),
    since,
    ...(isReleased ? { released: true, applied } : {}),
  });
}

/** Throws `CORRUPT_CHECKPOINT` naming the entry. */
export function parseClaim(bucket: string, key: string, text: string): StoredClaim {
  const value = parseObject(text);
  const { epoch, node, incarnation = '', origin, since, released = false, applied } = value ?? {};
  const first = origin === undefined ? undefined : Number(origin);
  const isOrigin = origin === undefined || (typeof origin === 'string' && /^\d{1,16}$/.test(origin));
  const isSound =
    isCount(epoch) &&
    typeof node === 'string' &&
    typeof incarnation === 'string' &&
    typeof since === 'string' &&
    typeof released === 'boolean' &&
    (applied === undefined || isCount(applied)) &&
    isOrigin &&
    isCount(first ?? 0);
  if (!isSound)
    throw new MillraceError('CORRUPT_CHECKPOINT', `${key} in bucket ${bucket} cannot be read: ${text.slice(0, 200)}`);
  return { epoch, node, incarnation, origin: first, since, isReleased: released, applied };
}

/** An object, or undefined for every other text. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
