/** What one checkpoint writes, as values. A store applies all of it or nothing. */
import type { StoredSegment } from '../dedupe/dedupe-segments.js';
import type { TraceContext } from '../event/trace-context.js';

/** Change of one partition's hash of named entries: fields to set, fields to remove. */
export interface FieldChanges {
  readonly set: readonly (readonly [field: string, value: string])[];
  readonly remove: readonly string[];
}

export interface Commit {
  readonly partition: number;
  /** `epoch:nonce` of the committing incarnation. */
  readonly owner: string;
  /** Checkpoint number that this commit writes; the stored one must be one less. */
  readonly number: number;
  /** The encoded `PartitionRecord`. */
  readonly record: string;
  /** Keyed state: field is the key, value its envelope. */
  readonly state: FieldChanges;
  readonly dedupePut: readonly StoredSegment[];
  readonly dedupeDrop: readonly number[];
  /** Dead letters: field is the stream sequence, value the JSON of a `DeadLetter`. */
  readonly dead: FieldChanges;
  /** Parked events and quarantines: see core/actor/parking.ts. */
  readonly parked: FieldChanges;
  /** Outputs not yet known to be published: field is the output id, value the JSON of an `Output`. */
  readonly outbox: FieldChanges;
}

/** An event set aside, with everything needed to look at it and to replay it. */
export interface DeadLetter {
  readonly sequence: number;
  readonly code: string;
  readonly problems: readonly string[];
  readonly key: string | null;
  readonly id: string | null;
  readonly subject: string;
  /** Header block, or null. */
  readonly headers: string | null;
  /** The original body: text, or base64 where the bytes are not UTF-8. */
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  /** Length of the whole body, bytes; only there where `body` is no more than its beginning: the stream has the rest. */
  readonly wholeBytes?: number;
  /** The log's timestamp, epoch ms. */
  readonly streamTime: number;
}

/** A stored dead letter, or undefined if the text is not one. */
export function parseDeadLetter(text: string): DeadLetter | undefined {
  try {
    const letter = JSON.parse(text) as Partial<DeadLetter> | null;
    const isText = [letter?.code, letter?.subject, letter?.body].every((part) => typeof part === 'string');
    return isText && Number.isSafeInteger(letter?.sequence) ? (letter as DeadLetter) : undefined;
  } catch {
    return undefined;
  }
}

/** Something a handler sent on. Its id is the same after every replay. */
export interface Output {
  readonly id: string;
  readonly subject: string;
  readonly data: unknown;
  /** That of the event whose handler emitted it. */
  readonly trace?: TraceContext | undefined;
}
