/** `GET /v1/dead-letters`: events that were set aside, with their reasons and original bytes. */
import { type DeadLetter, parseDeadLetter } from '../core/checkpoint/commit.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Answer } from './answer.js';
import { Query } from './query.js';

type Store = Pick<CheckpointStore, 'deadLetters'>;

/** Letters of one partition from after a sequence, or of all partitions, one after the other. */
export interface LettersWanted {
  readonly partition?: number | undefined;
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
}

/** `next`: the partition and the sequence to ask for after these, or null at the end. */
export interface Letters {
  readonly deadLetters: readonly (DeadLetter & { readonly partition: number })[];
  readonly next: { readonly partition: number; readonly after: number } | null;
}

const LIMIT = 100;
const LIMIT_MAX = 1_000;
/** Letters of one question to the store, and characters after which an answer ends early: bodies may be large. */
const PAGE = 50;
const CHARACTERS_MAX = 8 * 2 ** 20;

/** See `listLetters`. */
export async function getDeadLetters(url: string, store: Store, partitions: number): Promise<Answer> {
  const query = new Query(url, ['partition', 'after', 'limit']);
  const partition = query.whole('partition', 0, partitions - 1);
  const after = query.whole('after', 0, Number.MAX_SAFE_INTEGER);
  const limit = query.whole('limit', 1, LIMIT_MAX);
  query.requires('after', 'partition');
  query.check();
  return { status: 200, body: await listLetters(store, partitions, { partition, after, limit }) };
}

/** Dead letters in the order of partitions and sequences. Ends early where bodies are large; `next` then says so. */
export async function listLetters(store: Store, partitions: number, wanted: LettersWanted): Promise<Letters> {
  const { partition: one, after = 0, limit = LIMIT } = wanted;
  const deadLetters: (DeadLetter & { partition: number })[] = [];
  let characters = 0;
  for (let partition = one ?? 0; partition < partitions; partition++) {
    for await (const text of lettersOf(store, partition, partition === one ? after : 0)) {
      if (deadLetters.length >= limit || characters >= CHARACTERS_MAX) {
        const last = deadLetters.at(-1)!;
        const isSame = partition === last.partition;
        return { deadLetters, next: { partition, after: isSame ? last.sequence : 0 } };
      }
      deadLetters.push({ partition, ...letterOf(text, partition) });
      characters += text.length;
    }
    if (one !== undefined) break;
  }
  return { deadLetters, next: null };
}

async function* lettersOf(store: Store, partition: number, after: number): AsyncGenerator<string> {
  for (let from = after; ; ) {
    const texts = await store.deadLetters(partition, from, PAGE);
    yield* texts;
    if (texts.length < PAGE) return;
    from = letterOf(texts.at(-1)!, partition).sequence;
  }
}

/** Throws CORRUPT_CHECKPOINT. */
export function letterOf(text: string, partition: number): DeadLetter {
  const letter = parseDeadLetter(text);
  if (letter !== undefined) return letter;
  throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: a dead letter cannot be read`);
}
