/** `/v1/dead-letters/{partition}/{sequence}`: one event that was set aside, and what an operator decides about it. */
import type { DeadLetter } from '../core/checkpoint/commit.js';
import { type ErrorCode, errorTable, MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Answer } from './answer.js';
import type { Actions } from './change-request.js';
import { readChange, refuseMedia } from './change-request.js';
import { letterOf } from './get-dead-letters.js';
import type { ChangeDependencies } from './quarantine.js';
import { Query } from './query.js';

/** A dead letter with its body made readable. */
export interface LetterView extends DeadLetter {
  readonly partition: number;
  /** What to do about such an event, one sentence. */
  readonly next: string | undefined;
  /** The body as text, where bytes that are not UTF-8 show as �, and as a value if it is JSON. */
  readonly decoded: { readonly bytes: number; readonly text: string; readonly json?: unknown };
}

/** `GET`; it is read from the store, whoever owns the partition. */
export async function getDeadLetter(
  url: string,
  place: LetterPlace,
  store: Pick<CheckpointStore, 'deadLetters'>,
  partitions: number,
): Promise<Answer> {
  new Query(url, []).check();
  const { partition, sequence } = checked(place, partitions);
  return { status: 200, body: await readLetter(store, partition, sequence) };
}

/** Throws NOT_FOUND, and CORRUPT_CHECKPOINT. */
export async function readLetter(
  store: Pick<CheckpointStore, 'deadLetters'>,
  partition: number,
  sequence: number,
): Promise<LetterView> {
  const [text] = await store.deadLetters(partition, sequence - 1, 1);
  const letter = text === undefined ? undefined : letterOf(text, partition);
  if (letter?.sequence !== sequence)
    throw new MillraceError('NOT_FOUND', `partition ${partition} has no dead letter ${sequence}`);
  const next = Object.hasOwn(errorTable, letter.code) ? errorTable[letter.code as ErrorCode].next : undefined;
  return { partition, ...letter, next, decoded: decoded(letter) };
}

function decoded({ body, encoding }: DeadLetter): LetterView['decoded'] {
  const bytes = Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
  const text = bytes.toString('utf8');
  try {
    return { bytes: bytes.length, text, json: JSON.parse(text) };
  } catch {
    return { bytes: bytes.length, text };
  }
}

const actions: Actions<'replay' | 'skip'> = { replay: 'may have body', skip: 'no body' };

/**
 * `POST`: applies the event once, with another body if there is one, or gives it up; either way the letter is gone.
 * Answers when that is durable.
 */
export async function postDeadLetter(
  request: Request,
  place: LetterPlace,
  { questions, partitions, payloadBytes }: ChangeDependencies,
): Promise<Answer> {
  const refusal = refuseMedia(request, 'POST /v1/dead-letters');
  if (refusal !== undefined) return refusal;
  new Query(request.url, []).check();
  const { partition, sequence } = checked(place, partitions);
  const { action, body } = await readChange(request, actions, payloadBytes);
  const question = action === 'skip' ? { kind: 'discard-letter' as const } : { kind: 'replay-letter' as const, body };
  await questions.change(partition, { ...question, sequence });
  return { status: 200, body: { changed: true, partition, sequence } };
}

/** Where a letter lies, as the path has it. */
export interface LetterPlace {
  readonly partition: string;
  readonly sequence: string;
}

function checked(place: LetterPlace, partitions: number): { partition: number; sequence: number } {
  const [partition, sequence] = [whole(place.partition), whole(place.sequence)];
  const problems: string[] = [];
  if (!(partition < partitions)) problems.push(`the partition must be a whole number from 0 to ${partitions - 1}`);
  if (!(sequence >= 1)) problems.push('the sequence must be a whole number from 1 on');
  if (problems.length === 0) return { partition, sequence };
  throw new MillraceError('REQUEST_INVALID', problems.join('; '), { problems });
}

function whole(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
