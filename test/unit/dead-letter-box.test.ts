/** Dead letters on their way into the store, and their number, which is part of the record. */
import { describe, expect, it } from 'vitest';
import { DeadLetterBox } from '../../src/core/actor/dead-letter-box.js';
import { decodeRecord, encodeRecord, firstRecord } from '../../src/core/checkpoint/record.js';

const rebuilt = firstRecord({
  layout: { app: 'main', partitions: 1, hash: 'fnv1a32' },
  chain: [{ stream: 'EVENTS', base: 0 }],
  partition: 0,
  first: 1,
  gaps: [],
  savedAt: 0,
});

describe('DeadLetterBox', () => {
  it('does not count what is left of a lost record, so that its record stays readable when that is dealt with', () => {
    const box = new DeadLetterBox(10, rebuilt.deadStored);
    box.discard(7);
    expect(box.changes()).toEqual({ set: [], remove: ['7'] });
    const text = encodeRecord({ ...rebuilt, deadStored: box.size });
    expect(decodeRecord(text)).toMatchObject({ kind: 'record', record: { deadStored: 0 } });
  });
});
