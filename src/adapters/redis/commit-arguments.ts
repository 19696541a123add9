/** A commit or claim as the flat list of arguments that the scripts take; scripts.ts documents the order. */
import type { Commit, FieldChanges } from '../../core/checkpoint/commit.js';
import type { Claim } from '../../ports/checkpoint-store.js';
import { numberText } from './stored-text.js';

/** Texts go as they are, bytes as Buffers: ioredis would print any other array of bytes as numbers. */
export type Argument = string | Buffer;

/** Name of one of a partition's keys. */
export type KeyOf = (name: string) => string;

/** Keys and arguments of `CLAIM_SCRIPT`. */
export function claimArguments({ owner, seen, record }: Claim, key: KeyOf): Argument[] {
  const args = [...scriptKeys(key), owner, record];
  if (seen !== undefined) args.push(seen.owner, numberText(seen.number));
  return args;
}

/** Keys and arguments of `COMMIT_SCRIPT`. */
export function commitArguments(commit: Commit, key: KeyOf): Argument[] {
  const { number, state, dedupePut, dedupeDrop, parked, outbox, dead } = commit;
  const args: Argument[] = scriptKeys(key);
  args.push(commit.owner, String(number - 1), numberText(number), commit.record);

  pushCounts(args, state);
  args.push(String(2 * dedupePut.length), String(dedupeDrop.length));
  pushCounts(args, parked);
  pushCounts(args, outbox);
  pushCounts(args, dead);

  pushChanges(args, state);
  for (const segment of dedupePut) args.push(String(segment.number), asBuffer(segment.bytes));
  for (const dropped of dedupeDrop) args.push(String(dropped));
  pushChanges(args, parked);
  pushChanges(args, outbox);
  pushChanges(args, dead);
  return args;
}

function scriptKeys(key: KeyOf): string[] {
  return ['meta', 'state', 'dedupe', 'parked', 'outbox', 'dead'].map(key);
}

function pushCounts(args: Argument[], { set, remove }: FieldChanges): void {
  args.push(String(2 * set.length), String(remove.length));
}

function pushChanges(args: Argument[], { set, remove }: FieldChanges): void {
  for (const entry of set) args.push(entry[0], entry[1]);
  for (const field of remove) args.push(field);
}

/** The same bytes, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
