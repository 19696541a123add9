/** A stored dead letter is read as it was written, or called unreadable. */
import { expect, it } from 'vitest';
import { DeadLetterBox } from '../../src/core/actor/dead-letter-box.js';
import { parseDeadLetter } from '../../src/core/checkpoint/commit.js';
import { rawEvent } from './raw-events.js';

it('a letter comes back from its text, with the length of a body that was cut', () => {
  const box = new DeadLetterBox(10, 0);
  const raw = { ...rawEvent({ body: '{', streamSequence: 7 }), wholeBytes: 100 };
  box.add(raw, { code: 'EVENT_TOO_LARGE', problems: ['large'] }, 'a', undefined);
  const [[field, text]] = box.changes().set as [[string, string]];
  expect(field).toBe('7');
  expect(parseDeadLetter(text)).toMatchObject({
    sequence: 7,
    code: 'EVENT_TOO_LARGE',
    key: 'a',
    id: null,
    wholeBytes: 100,
  });
});

it.each(['', '{', 'null', '[]', '5', '{"sequence":7}', '{"sequence":"7","code":"x","subject":"s","body":"b"}'])(
  '%j is none',
  (text) => {
    expect(parseDeadLetter(text)).toBeUndefined();
  },
);
