/**
 * The lines of a savepoint: a copy of an application's checkpoints that people and `grep` can read, one JSON value per
 * line. The first line says what it is, the last one that nothing is missing. What a store keeps as text stands in it
 * as the JSON that it is.
 *
 * The format number is durable: a newer one is refused, never guessed at.
 */
import { isObject } from '../event/json.js';

export const SAVEPOINT_FORMAT = 1;

export interface SavepointHead {
  readonly millrace: 'savepoint';
  readonly format: number;
  readonly app: string;
  readonly stream: string;
  readonly partitions: number;
  readonly hash: string;
  /** When it was begun, ISO 8601; for people. */
  readonly at: string;
}

/** The hashes of a partition besides its record, each a field and the text stored under it. */
export type SavepointPart = 'state' | 'dedupe' | 'dead' | 'parked' | 'outbox';

export type SavepointLine =
  | { readonly kind: 'head'; readonly head: SavepointHead }
  /** `record` is the text as stored; `number` the checkpoint's. */
  | { readonly kind: 'partition'; readonly partition: number; readonly number: number; readonly record: string }
  /** `value` is the text as stored; of a dedupe segment it is base64. */
  | {
      readonly kind: 'entry';
      readonly part: SavepointPart;
      readonly partition: number;
      readonly field: string;
      readonly value: string;
    }
  /** `digest` is the SHA-256 of all lines before, with their line feeds, as hexadecimal. */
  | { readonly kind: 'end'; readonly lines: number; readonly digest: string };

const parts: readonly SavepointPart[] = ['state', 'dedupe', 'dead', 'parked', 'outbox'];

/** One line, without its line feed. */
export function writeLine(line: SavepointLine): string {
  switch (line.kind) {
    case 'head':
      return JSON.stringify(line.head);
    case 'partition':
      return `{"partition":${line.partition},"number":${line.number},"record":${line.record}}`;
    case 'entry': {
      const value = line.part === 'dedupe' ? JSON.stringify(line.value) : line.value;
      return `{"partition":${line.partition},"${line.part}":${JSON.stringify(line.field)},"value":${value}}`;
    }
    case 'end':
      return JSON.stringify({ end: true, lines: line.lines, sha256: line.digest });
  }
}

/** What a line says, or what is wrong with it. */
export function readLine(text: string): SavepointLine | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is not JSON';
  }
  if (!isObject(value)) return 'is not an object';
  if (value.millrace === 'savepoint') return headOf(value);
  if (value.end === true)
    return isWhole(value.lines) && typeof value.sha256 === 'string'
      ? { kind: 'end', lines: value.lines, digest: value.sha256 }
      : 'is an end that cannot be read';
  const { partition, number, record } = value;
  if (!isWhole(partition)) return 'has no partition';
  if (isObject(record))
    return isWhole(number)
      ? { kind: 'partition', partition, number, record: JSON.stringify(record) }
      : 'has no checkpoint number';
  const part = parts.find((name) => typeof value[name] === 'string');
  if (part === undefined || value.value === undefined) return 'is of no kind that is known';
  if (part === 'dedupe' && typeof value.value !== 'string') return 'is a dedupe segment that cannot be read';
  const stored = part === 'dedupe' ? (value.value as string) : JSON.stringify(value.value);
  return { kind: 'entry', part, partition, field: value[part] as string, value: stored };
}

function headOf(value: Record<string, unknown>): SavepointLine | string {
  const { format, app, stream, partitions, hash, at } = value;
  if (format !== SAVEPOINT_FORMAT) return `has format ${String(format)}, this version reads ${SAVEPOINT_FORMAT}`;
  if (typeof app !== 'string' || typeof stream !== 'string' || typeof hash !== 'string' || typeof at !== 'string')
    return 'is a head that cannot be read';
  if (!isWhole(partitions) || partitions < 1) return 'is a head that cannot be read';
  return { kind: 'head', head: { millrace: 'savepoint', format, app, stream, partitions, hash, at } };
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
