/** What is read from Redis: texts and bytes, checked before anybody believes them. */
import type { StoredSegment } from '../../core/dedupe/dedupe-segments.js';
import { MillraceError } from '../../errors.js';
import type { StoredRecord } from '../../ports/checkpoint-store.js';

const NUMBER = /^(?:0|[1-9]\d*)$/;

/** The record in a meta hash, undefined if there is none. Throws `CORRUPT_CHECKPOINT` for anything between. */
export function parseRecord(partition: number, meta: Readonly<Record<string, string>>): StoredRecord | undefined {
  if (Object.keys(meta).length === 0) return undefined;
  const { owner, number, record } = meta;
  if (owner === undefined || number === undefined || record === undefined) {
    throw corrupt(partition, 'the record has no owner, number or text');
  }
  // A number that a double cannot hold would be read as its neighbour.
  if (!NUMBER.test(number) || !Number.isSafeInteger(Number(number))) {
    throw corrupt(partition, `the checkpoint number ${JSON.stringify(number.slice(0, 40))} cannot be read`);
  }
  return { owner, number: Number(number), record };
}

/** Segments of a dedupe hash in the order of their numbers. */
export function parseSegments(partition: number, dedupe: Readonly<Record<string, Buffer>>): StoredSegment[] {
  const segments = Object.entries(dedupe).map(([field, bytes]) => {
    const number = Number(field);
    if (!NUMBER.test(field) || !Number.isSafeInteger(number)) {
      throw corrupt(partition, `dedupe segment ${JSON.stringify(field.slice(0, 40))} has no number`);
    }
    return { number, bytes };
  });
  return segments.sort((a, b) => a.number - b.number);
}

/** Outputs of an outbox hash in the order of their ids' `sequence.index`. */
export function parseOutbox(outbox: Readonly<Record<string, string>>): [id: string, output: string][] {
  return Object.entries(outbox).sort(([a], [b]) => {
    const [aSequence = '', aIndex = ''] = a.split('.').slice(-2);
    const [bSequence = '', bIndex = ''] = b.split('.').slice(-2);
    return compareNumbers(aSequence, bSequence) || compareNumbers(aIndex, bIndex);
  });
}

/** Stream sequences of dead letters above `after`, in order. */
export function sequencesAfter(partition: number, fields: readonly string[], after: number): string[] {
  const first = numberText(after);
  const foreign = fields.find((field) => !NUMBER.test(field));
  if (foreign !== undefined) {
    throw corrupt(partition, `dead letter ${JSON.stringify(foreign.slice(0, 40))} has no stream sequence`);
  }
  return fields.filter((field) => compareNumbers(field, first) > 0).sort(compareNumbers);
}

/** A checkpoint number or stream sequence as text. One that has lost its last digits is a bug, not a number. */
export function numberText(number: number): string {
  if (!Number.isSafeInteger(number)) throw new MillraceError('BUG', `${number} is past the whole numbers of a double`);
  return String(number);
}

/** Order of two decimals without leading zeros, of any length. */
function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : Number(a > b);
}

function corrupt(partition: number, problem: string): MillraceError {
  return new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: ${problem}`);
}
