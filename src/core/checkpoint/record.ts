/**
 * The record of a partition: everything a checkpoint stores besides keyed state, dedupe segments, dead letters
 * and outbox. Written as JSON so that an operator can read it; every number that can pass 2^53 is text.
 *
 * The format number is part of the durable data: a newer one is refused, never guessed at.
 */

import type { RejectCode } from '../event/reject.js';
import type { Position } from '../position/position-window.js';
import { decodeRanges, encodeRanges } from '../position/ranges.js';
import type { StreamChain } from '../position/stream-chain.js';
import { newestOf, singleStream } from '../position/stream-chain.js';

export const RECORD_FORMAT = 2;
/** Formats that are read. The first had no `due`: its watermark stayed behind the events that are named there now. */
const READABLE: readonly unknown[] = [1, RECORD_FORMAT];
/** The oldest of them; every one between is read, too. */
export const OLDEST_FORMAT = 1;

/** Whether records of this format can be read; they are written again in the newest one. */
export function isReadableFormat(format: unknown): boolean {
  return READABLE.includes(format);
}

/** A message of the log that is known to have been there: after tail loss its place holds another one. */
export interface Anchor {
  readonly sequence: number;
  /** The log's timestamp of it, nanoseconds since the epoch as text; '' if the log was empty. */
  readonly time: string;
}

/** How many events were decided, by what was decided; since the partition was created. */
export interface Counters {
  applied: number;
  duplicates: number;
  /** Duplicates whose body differed from the first one's. */
  conflicts: number;
  /** Late events, whatever the policy then did. */
  late: number;
  /** Events whose time was clamped because it was too far ahead. */
  clamped: number;
  /** Numbers of keys' own sequences that were given up waiting for. */
  skipped: number;
  /** Dead letters by reason. */
  dead: Partial<Record<RejectCode, number>>;
}

export function emptyCounters(): Counters {
  return { applied: 0, duplicates: 0, conflicts: 0, late: 0, clamped: 0, skipped: 0, dead: {} };
}

/** The layout that stored data depends on; a mismatch refuses to start. */
export interface Layout {
  readonly app: string;
  readonly partitions: number;
  readonly hash: string;
}

export interface PartitionRecord {
  readonly format: number;
  readonly layout: Layout;
  readonly partition: number;
  /** The streams that positions count through; the newest is the one that is read, or will be. */
  readonly chain: StreamChain;
  readonly position: Position;
  readonly anchor: Anchor;
  /** Epoch ms, −Infinity before the first event. */
  readonly watermark: number;
  /** Newest event time, epoch ms, −Infinity before the first event. */
  readonly maxTime: number;
  /** Stream time of the partition's newest event, epoch ms, −Infinity before the first event. */
  readonly arrival: number;
  /** Stream sequences that are due and undecided, in the order in which they came due (core/order/due-again.ts). */
  readonly due: readonly number[];
  readonly counters: Readonly<Counters>;
  /** Dead letters that are stored now. */
  readonly deadStored: number;
  /** Ranges of the stream that were declared lost with --accept-gap, as `[first, last, …]`. */
  readonly gaps: readonly number[];
  /** Wall clock of the checkpoint, epoch ms; for people, decides nothing. */
  readonly savedAt: number;
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

export function encodeRecord(record: PartitionRecord): string {
  return JSON.stringify({
    format: record.format,
    ...record.layout,
    partition: record.partition,
    stream: newestOf(record.chain).stream,
    ...(record.chain.length === 1 ? {} : { chain: record.chain.map(({ stream, base }) => [stream, String(base)]) }),
    floor: String(record.position.floor),
    above: encodeRanges(record.position.above, record.position.floor),
    anchor: { sequence: String(record.anchor.sequence), time: record.anchor.time },
    watermark: finite(record.watermark),
    maxTime: finite(record.maxTime),
    arrival: finite(record.arrival),
    due: record.due.map((sequence) => sequence - record.position.floor),
    counters: record.counters,
    deadStored: record.deadStored,
    gaps: record.gaps,
    savedAt: record.savedAt,
  });
}

/** `format` of the record of a partition that a restore is still filling. No version starts from it. */
export const UNFINISHED_FORMAT = 'unfinished';

/** The record to store while a partition is being filled with what belongs to `record`. */
export function unfinishedRecord(record: PartitionRecord): string {
  return JSON.stringify({ ...(JSON.parse(encodeRecord(record)) as object), format: UNFINISHED_FORMAT });
}

/** The record of a partition that has decided nothing: the stream begins at `first`. */
export function firstRecord({
  layout,
  chain,
  partition,
  first,
  gaps,
  savedAt,
}: Pick<PartitionRecord, 'layout' | 'chain' | 'partition' | 'gaps' | 'savedAt'> & {
  readonly first: number;
}): PartitionRecord {
  const unset = Number.NEGATIVE_INFINITY;
  return {
    format: RECORD_FORMAT,
    layout,
    partition,
    chain,
    position: { floor: first - 1, above: [] },
    anchor: { sequence: 0, time: '' },
    watermark: unset,
    maxTime: unset,
    arrival: unset,
    due: [],
    counters: emptyCounters(),
    deadStored: 0,
    gaps,
    savedAt,
  };
}

export type DecodedRecord =
  | { readonly kind: 'record'; readonly record: PartitionRecord }
  | { readonly kind: 'corrupt'; readonly problem: string }
  | { readonly kind: 'format'; readonly format: unknown };

/** Reads what `encodeRecord` wrote. Anything else is named, not repaired. */
export function decodeRecord(text: string): DecodedRecord {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { kind: 'corrupt', problem: 'the record is not JSON' };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'corrupt', problem: 'the record is not an object' };
  if (!isReadableFormat(value.format)) return { kind: 'format', format: value.format };
  const bad = (field: string): DecodedRecord => ({ kind: 'corrupt', problem: `the record's ${field} cannot be read` });

  const floor = wholeNumber(value.floor);
  if (floor === undefined) return bad('floor');
  const above = typeof value.above === 'string' ? decodeRanges(value.above, floor) : undefined;
  if (above === undefined) return bad('above');
  const anchor = anchorOf(value.anchor);
  if (anchor === undefined) return bad('anchor');
  const { app, partitions, hash, partition, stream, watermark, maxTime, arrival, deadStored, savedAt, gaps } = value;
  if (typeof app !== 'string' || typeof hash !== 'string' || typeof stream !== 'string') return bad('layout');
  const chain = value.chain === undefined ? singleStream(stream) : chainOf(value.chain);
  if (chain === undefined || newestOf(chain).stream !== stream) return bad('chain');
  if (!isCount(partitions) || !isCount(partition)) return bad('layout');
  if (!isTime(watermark) || !isTime(maxTime) || !isTime(arrival)) return bad('watermark');
  const due = value.format === 1 ? [] : dueOf(value.due, floor);
  if (due === undefined) return bad('due');
  if (!isCount(deadStored) || !isCount(savedAt)) return bad('counters');
  if (!isRanges(gaps)) return bad('gaps');
  const counters = countersOf(value.counters);
  if (counters === undefined) return bad('counters');
  const unset = Number.NEGATIVE_INFINITY;
  return {
    kind: 'record',
    record: {
      format: RECORD_FORMAT,
      layout: { app, partitions, hash },
      partition,
      chain,
      position: { floor, above },
      anchor,
      watermark: watermark ?? unset,
      maxTime: maxTime ?? unset,
      arrival: arrival ?? unset,
      due,
      counters,
      deadStored,
      gaps,
      savedAt,
    },
  };
}

/** Two or more streams, bases from 0 upwards. */
function chainOf(value: unknown): StreamChain | undefined {
  if (!Array.isArray(value) || value.length < 2) return undefined;
  const chain: { stream: string; base: number }[] = [];
  for (const link of value as unknown[]) {
    const [stream, text] = Array.isArray(link) ? (link as unknown[]) : [];
    const base = wholeNumber(text);
    const before = chain.at(-1);
    if (typeof stream !== 'string' || base === undefined || chain.some((one) => one.stream === stream))
      return undefined;
    if (before === undefined ? base !== 0 : base < before.base) return undefined;
    chain.push({ stream, base });
  }
  return chain;
}

function wholeNumber(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^(?:0|[1-9]\d{0,15})$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Places above the floor, each once, as stream sequences. */
function dueOf(value: unknown, floor: number): number[] | undefined {
  if (!Array.isArray(value) || new Set(value).size !== value.length) return undefined;
  const due = value.map((place: unknown) => (isCount(place) && place > 0 ? floor + place : Number.NaN));
  return due.every(Number.isSafeInteger) ? due : undefined;
}

/** Ascending, disjoint `[first, last, …]`. */
function isRanges(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length % 2 === 0 &&
    value.every((edge, i) => isCount(edge) && (i === 0 || (i % 2 === 0 ? edge > value[i - 1] : edge >= value[i - 1])))
  );
}

function isTime(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}

function anchorOf(value: unknown): Anchor | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { sequence, time } = value as Record<string, unknown>;
  const number = wholeNumber(sequence);
  return number === undefined || typeof time !== 'string' || !/^\d*$/.test(time)
    ? undefined
    : { sequence: number, time };
}

function countersOf(value: unknown): Counters | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { applied, duplicates, conflicts, late, clamped, skipped, dead } = value as Record<string, unknown>;
  if (
    !isCount(applied) ||
    !isCount(duplicates) ||
    !isCount(conflicts) ||
    !isCount(late) ||
    !isCount(clamped) ||
    !isCount(skipped)
  )
    return undefined;
  if (typeof dead !== 'object' || dead === null || !Object.values(dead).every(isCount)) return undefined;
  return { applied, duplicates, conflicts, late, clamped, skipped, dead: { ...dead } };
}
