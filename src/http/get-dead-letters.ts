/** `GET /v1/dead-letters`: events that were set aside, with their reasons and original bytes. */
import type { DeadLetter } from '../core/checkpoint/commit.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Answer } from './answer.js';
import { Query } from './query.js';

type Store = Pick<CheckpointStore, 'deadLetters'>;

const LIMIT = 100;
const LIMIT_MAX = 1_000;
/** Letters of one question to the store, and characters after which an answer ends early: bodies may be large. */
const PAGE = 50;
const CHARACTERS_MAX = 8 * 2 ** 20;

/**
 * Without `partition`, those of all partitions, one after the other. `next` in the answer names the partition and the
 * sequence to ask for after that, or is null at the end.
 */
export async function getDeadLetters(url: string, store: Store, partitions: number): Promise<Answer> {
  const query = new Query(url, ['partition', 'after', 'limit']);
  const one = query.whole('partition', 0, partitions - 1);
  const after = query.whole('after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = query.whole('limit', 1, LIMIT_MAX) ?? LIMIT;
  query.requires('after', 'partition');
  query.check();
  const deadLetters: object[] = [];
  let characters = 0;
  for (let partition = one ?? 0; partition < partitions; partition++) {
    for await (const text of lettersOf(store, partition, partition === one ? after : 0)) {
      if (deadLetters.length >= limit || characters >= CHARACTERS_MAX) {
        const last = deadLetters.at(-1) as { partition: number; sequence: number };
        const next = { partition: last.partition, after: last.sequence };
        return {
          status: 200,
          body: { deadLetters, next: partition === last.partition ? next : { partition, after: 0 } },
        };
      }
      deadLetters.push({ partition, ...letterOf(text, partition) });
      characters += text.length;
    }
    if (one !== undefined) break;
  }
  return { status: 200, body: { deadLetters, next: null } };
}

async function* lettersOf(store: Store, partition: number, after: number): AsyncGenerator<string> {
  for (let from = after; ; ) {
    const texts = await store.deadLetters(partition, from, PAGE);
    yield* texts;
    if (texts.length < PAGE) return;
    from = letterOf(texts.at(-1)!, partition).sequence;
  }
}

function letterOf(text: string, partition: number): DeadLetter {
  try {
    const letter = JSON.parse(text) as DeadLetter;
    if (Number.isSafeInteger(letter.sequence)) return letter;
  } catch {
    // Said below.
  }
  throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: a dead letter cannot be read`);
}
