/** After a drain: is everything in the store, once? By the partitions' counters and by the states themselves. */
import { Redis } from 'ioredis';
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import { decodeRecord } from '../../src/core/checkpoint/record.js';
import type { FilledStream } from './fill-stream.js';
import { PARTITIONS } from './fill-stream.js';

/** Throws if counters or states differ from what the stream holds; empties the store afterwards. */
export async function checkStore(url: string, app: string, stream: FilledStream, appliesAll: boolean): Promise<void> {
  const redis = new Redis(url, { protocol: 2 });
  try {
    const sum = { applied: 0, duplicates: 0, others: 0, states: 0 };
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const prefix = `millrace:{${app}:${partition}}`;
      const decoded = decodeRecord((await redis.hget(`${prefix}:meta`, 'record')) ?? '');
      if (decoded.kind !== 'record') throw new Error(`partition ${partition}: no record`);
      const { applied, duplicates, late, clamped, dead } = decoded.record.counters;
      sum.applied += applied;
      sum.duplicates += duplicates;
      sum.others += late + clamped + Object.keys(dead).length;
      for (const text of await redis.hvals(`${prefix}:state`)) sum.states += readEnvelope(text)?.applied ?? 0;
    }
    const duplicates = appliesAll ? 0 : stream.duplicates;
    const expected = {
      applied: stream.messages - duplicates,
      duplicates,
      others: 0,
      states: stream.messages - duplicates,
    };
    if (JSON.stringify(sum) !== JSON.stringify(expected))
      throw new Error(`the store holds ${JSON.stringify(sum)}, not ${JSON.stringify(expected)}`);
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}
