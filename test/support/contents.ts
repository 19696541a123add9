/** Everything that a run leaves behind, as digests that two runs can be compared by. */
import { createHash } from 'node:crypto';
import type { Stored } from './store-view.js';
import { viewOf } from './store-view.js';

export interface Contents {
  /** Every key's state, as stored. */
  readonly states: string;
  /** Every dead letter, as stored. */
  readonly deadLetters: string;
  readonly keys: number;
  readonly letters: number;
  /**
   * States, times, ids and counts of keys, and reasons and bodies of dead letters, without their places in the stream:
   * the same on every store, although another log numbers its events otherwise.
   */
  readonly meaning: string;
}

export async function contentsOf(db: Stored, app: string, partitions = 64): Promise<Contents> {
  const meanings: string[] = [];
  const states = await digest(db, app, 'state', partitions, (key, text) => {
    const { state, time, id, applied } = JSON.parse(text) as Record<string, unknown>;
    meanings.push(JSON.stringify([key, state, time, id, applied]));
  });
  const letters = await digest(db, app, 'dead', partitions, (_, text) => {
    const { code, key, id, subject, body } = JSON.parse(text) as Record<string, unknown>;
    meanings.push(JSON.stringify([code, key, id, subject, body]));
  });
  const meaning = createHash('sha256').update(meanings.sort().join('\n')).digest('hex');
  return { states: states.hash, deadLetters: letters.hash, keys: states.fields, letters: letters.fields, meaning };
}

async function digest(
  db: Stored,
  app: string,
  part: 'state' | 'dead',
  partitions: number,
  each: (field: string, text: string) => void,
): Promise<{ hash: string; fields: number }> {
  const view = viewOf(db);
  const hash = createHash('sha256');
  let count = 0;
  for (let p = 0; p < partitions; p++) {
    const texts = await view.texts(app, p, part);
    for (const field of [...texts.keys()].sort()) {
      const text = texts.get(field)!;
      each(field, text);
      hash.update(JSON.stringify([p, field, text]));
    }
    count += texts.size;
  }
  return { hash: hash.digest('hex'), fields: count };
}
