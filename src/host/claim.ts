/**
 * Taking a partition over: read what is stored, judge it, write our name into it, load the rest.
 *
 * Invariants
 * L1. A missing record is a first start only if nobody ever stored one; the proof lives outside the store (`origin`).
 * L2. Nothing that cannot be read is replaced: damage, another format or another layout refuse the claim.
 */
import { ownerText } from '../core/checkpoint/guard.js';
import type { Layout, PartitionRecord } from '../core/checkpoint/record.js';
import {
  decodeRecord,
  encodeRecord,
  firstRecord,
  RECORD_FORMAT,
  UNFINISHED_FORMAT,
} from '../core/checkpoint/record.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { continues } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore, StoredPartition, StoredRecord } from '../ports/checkpoint-store.js';

export interface ClaimRequest {
  readonly partition: number;
  readonly epoch: number;
  /** 128 random bits as hexadecimal, new for every claim. */
  readonly nonce: string;
  /** Position of the first stored event when the first record was written, undefined if none ever was. */
  readonly origin: number | undefined;
  /** Position of the first event that is still stored. */
  readonly first: number;
  readonly acceptGap: boolean;
  /** The streams that positions count through. What is stored must be its beginning. */
  readonly chain: StreamChain;
  readonly layout: Layout;
  /** Wall clock, epoch ms. */
  readonly now: number;
}

export interface Claimed {
  readonly owner: string;
  readonly record: PartitionRecord;
  readonly partition: StoredPartition;
  /** `first`: there was no record; `rebuilt`: there had been one, and it is lost. */
  readonly kind: 'first' | 'rebuilt' | 'found';
}

/** Losing a race against another claimer is worth another look, but not for ever. */
const ATTEMPTS = 8;

/** Throws MillraceError: `transient` to try again, anything else is final for this claim. */
export async function claimPartition(store: CheckpointStore, request: ClaimRequest): Promise<Claimed> {
  const owner = ownerText(request);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const seen = await store.read(request.partition);
    const { record, kind } =
      seen === undefined ? startingRecord(request) : { record: readRecord(seen, request), kind: 'found' as const };
    const text = seen === undefined ? encodeRecord(record) : seen.record;
    const verdict = await store.claim({ partition: request.partition, owner, seen, record: text });
    if (verdict === 'fenced') continue;
    const partition = await store.load(request.partition);
    if (partition?.stored.owner !== owner) continue;
    return { owner, record, partition, kind };
  }
  throw new MillraceError('FENCED', `partition ${request.partition}: other nodes kept claiming it`);
}

function readRecord(seen: StoredRecord, request: ClaimRequest): PartitionRecord {
  const where = `partition ${request.partition}`;
  const decoded = decodeRecord(seen.record);
  if (decoded.kind === 'corrupt') throw new MillraceError('CORRUPT_CHECKPOINT', `${where}: ${decoded.problem}`);
  if (decoded.kind === 'format' && decoded.format === UNFINISHED_FORMAT)
    throw new MillraceError('RESTORE_UNFINISHED', `${where}: a restore has begun to fill it and has not ended`);
  if (decoded.kind === 'format')
    throw new MillraceError(
      'CHECKPOINT_FORMAT',
      `${where}: format ${String(decoded.format)}, this version reads ${RECORD_FORMAT}`,
    );
  const { record } = decoded;
  const problems = [];
  const { layout } = request;
  if (record.partition !== request.partition) problems.push(`the record is of partition ${record.partition}`);
  if (record.layout.app !== layout.app) problems.push(`the record is of app ${record.layout.app}`);
  if (record.layout.partitions !== layout.partitions)
    problems.push(`stored with ${record.layout.partitions} partitions, started with ${layout.partitions}`);
  if (record.layout.hash !== layout.hash)
    problems.push(`stored with hash ${record.layout.hash}, this version uses ${layout.hash}`);
  if (!continues(request.chain, record.chain))
    problems.push(`stored from ${chainText(record.chain)}, started with ${chainText(request.chain)}`);
  if (problems.length > 0) throw new MillraceError('LAYOUT_MISMATCH', `${where}: ${problems.join('; ')}`, { problems });
  return { ...record, chain: request.chain };
}

/** `stream EVENTS, then EVENTS-1-of-4 from position 1001 on`. */
function chainText(chain: StreamChain): string {
  return chain
    .map(({ stream, base }, at) => (at === 0 ? `stream ${stream}` : `then ${stream} from position ${base + 1} on`))
    .join(', ');
}

/** L1. */
function startingRecord(request: ClaimRequest): { record: PartitionRecord; kind: 'first' | 'rebuilt' } {
  const { origin, first, partition, chain, layout, now } = request;
  if (origin !== undefined && origin !== first && !request.acceptGap)
    throw new MillraceError(
      'LOST_CHECKPOINT',
      `partition ${partition}: its checkpoint is gone, and the stream no longer starts at ${origin} but at ${first}, so it cannot be rebuilt`,
    );
  const gaps = origin !== undefined && first > origin ? [origin, first - 1] : [];
  const record = firstRecord({ layout, chain, partition, first, gaps, savedAt: now });
  return { record, kind: origin === undefined ? 'first' : 'rebuilt' };
}
