/** Everything that a run leaves behind, byte for byte, as digests that two runs can be compared by. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

export interface Contents {
  /** Every key's state, as stored. */
  readonly states: string;
  /** Every dead letter, as stored. */
  readonly deadLetters: string;
  readonly keys: number;
  readonly letters: number;
}

export async function contentsOf(db: Redis, app: string, partitions = 64): Promise<Contents> {
  const states = await digest(db, app, 'state', partitions);
  const letters = await digest(db, app, 'dead', partitions);
  return { states: states.hash, deadLetters: letters.hash, keys: states.fields, letters: letters.fields };
}

async function digest(
  db: Redis,
  app: string,
  part: string,
  partitions: number,
): Promise<{ hash: string; fields: number }> {
  const hash = createHash('sha256');
  let count = 0;
  for (let p = 0; p < partitions; p++) {
    const name = `millrace:{${app}:${p}}:${part}`;
    const results = (await db.multi().hkeysBuffer(name).hvalsBuffer(name).exec()) ?? [];
    const [fields, values] = results.map(([, reply]) => reply as Buffer[]);
    const pairs = fields!.map((field, i) => [field, values![i]!] as const);
    for (const [field, value] of pairs.sort(([a], [b]) => Buffer.compare(a, b)))
      hash.update(`${p} ${field.length} ${value.length}\n`).update(field).update(value);
    count += pairs.length;
  }
  return { hash: hash.digest('hex'), fields: count };
}
