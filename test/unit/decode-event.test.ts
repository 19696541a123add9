/** From raw text to an event: Millrace's JSON body, and everything that makes an event a dead letter. */
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../src/core/event/decode.js';
import { decodeEvent } from '../../src/core/event/decode.js';
import type { Event, RawEvent } from '../../src/core/event/event.js';
import { DEPTH_MAX, TIME_MAX } from '../../src/core/event/event.js';
import { formatOf, rawEvent, T0 } from './raw-events.js';

const decode = (raw: RawEvent, idRequired = true): Decoded => decodeEvent(raw, formatOf(), idRequired);

function eventOf(decoded: Decoded): Event {
  if (decoded.kind === 'rejected') throw new Error(`rejected: ${decoded.rejection.problems.join('; ')}`);
  return decoded.event;
}

function rejectionOf(decoded: Decoded) {
  if (decoded.kind === 'event') throw new Error(`not rejected: ${JSON.stringify(decoded.event)}`);
  return { ...decoded.rejection, key: decoded.key };
}

describe('a JSON body', () => {
  it('gives every part', () => {
    const json = { id: 'e1', time: T0 + 5, key: 'account-1', sequence: 7, type: 'deposit', data: { amount: 3 } };
    expect(eventOf(decode(rawEvent({ json })))).toEqual({ ...json, id: 'e1' });
  });

  it('needs an id only: time is the stream time, whole; sequence and type are absent; data is null', () => {
    expect(eventOf(decode(rawEvent({ json: { id: 'e1' }, streamTime: T0 + 0.75 })))).toEqual({
      id: 'e1',
      key: 'account-1',
      time: T0,
      sequence: undefined,
      type: undefined,
      data: null,
    });
  });

  it('takes the id from Nats-Msg-Id, then ce-id, where the body has none', () => {
    const json = { data: 1 };
    expect(eventOf(decode(rawEvent({ json, headers: ['nats-msg-id: n1', 'ce-id: c1'] }))).id).toBe('n1');
    expect(eventOf(decode(rawEvent({ json, headers: ['CE-ID: c1'] }))).id).toBe('c1');
    expect(eventOf(decode(rawEvent({ json: { id: 'b1' }, headers: ['Nats-Msg-Id: n1'] }))).id).toBe('b1');
  });

  it('without an id is refused where ids are needed, else named by its stream sequence', () => {
    const raw = rawEvent({ json: { data: 1 }, streamSequence: 42 });
    expect(rejectionOf(decode(raw)).problems).toEqual(['there is no id: not in the body, nor in Nats-Msg-Id or ce-id']);
    expect(eventOf(decode(raw, false)).id).toBe('#42');
  });

  it('an id may be a whole number that a double carries exactly, and nothing rounded', () => {
    expect(eventOf(decode(rawEvent({ json: { id: 12 } }))).id).toBe('12');
    for (const body of ['{"id":12345678901234567890}', '{"id":1.5}', '{"id":true}', '{"id":null}', '{"id":["a"]}'])
      expect(rejectionOf(decode(rawEvent({ body }))).problems).toEqual(['the id is neither text nor a whole number']);
  });

  it('a key may be a whole number, in the body as in the subject', () => {
    const elsewhere = (body: string) => decode({ ...rawEvent({ body }), token: undefined });
    expect(eventOf(elsewhere('{"id":"e1","key":42}')).key).toBe('42');
    expect(eventOf(decode(rawEvent({ body: '{"id":"e1","key":42}', key: '42' }))).key).toBe('42');
    expect(rejectionOf(decode(rawEvent({ body: '{"id":"e1","key":43}', key: '42' }))).problems).toEqual([
      'the key in the body is not the key of the subject',
    ]);
    for (const key of ['1.5', '12345678901234567890', 'true', 'null', '["a"]'])
      expect(rejectionOf(elsewhere(`{"id":"e1","key":${key}}`)).problems).toEqual([
        'the key is neither text nor a whole number',
      ]);
  });

  it('U1: ids are kept byte for byte, never trimmed, folded or normalised', () => {
    for (const id of ['a  b', 'e\u0301', 'é', 'ÉA', '\u212a', '%41'])
      expect(eventOf(decode(rawEvent({ json: { id } }))).id).toBe(id);
    expect(rejectionOf(decode(rawEvent({ json: { id: ' a' } }))).problems).toEqual([
      'the id begins or ends with white space',
    ]);
    const unicode = decode(rawEvent({ json: { data: 1 }, headers: ['Nats-Msg-Id: \u00a0a'] }));
    expect(rejectionOf(unicode).problems).toEqual(['the id begins or ends with white space']);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('reads %s as a name like any other', (name) => {
    const body = `{"id":${JSON.stringify(name)},"data":{"__proto__":{"admin":true}}}`;
    const event = eventOf(decode(rawEvent({ body, key: name })));
    expect([event.id, event.key]).toEqual([name, name]);
    expect(Object.getPrototypeOf(event.data)).toBe(Object.prototype);
    expect(JSON.stringify(event.data)).toBe('{"__proto__":{"admin":true}}');
  });

  it('never reads a part from the prototype', () => {
    expect(rejectionOf(decode(rawEvent({ body: '{"__proto__":{"id":"e1"}}' }))).problems).toHaveLength(1);
  });

  it.each(['[1,2]', '"text"', '5', 'null', 'true'])('%s is all data; the id then comes from a header', (body) => {
    const event = eventOf(decode(rawEvent({ body, headers: ['Nats-Msg-Id: n1'] })));
    expect(event).toMatchObject({ id: 'n1', data: JSON.parse(body) });
  });

  it.each(['', '{', '{"id":"e1"} x', 'NaN', "{'id':1}", '{"id":"e1",}', '\u0000'])('%j is not JSON', (body) => {
    const rejection = rejectionOf(decode(rawEvent({ body })));
    expect(rejection).toMatchObject({ code: 'EVENT_INVALID', key: 'account-1' });
    expect(rejection.problems[0]).toMatch(/^the body is not JSON/);
  });
});

describe('problems', () => {
  it('are all listed at once', () => {
    const json = { id: '', key: 'account-2', time: 'noon', sequence: -1, type: '' };
    expect(rejectionOf(decode(rawEvent({ json })))).toEqual({
      code: 'EVENT_INVALID',
      key: 'account-1',
      problems: [
        'the key in the body is not the key of the subject',
        'the id is empty',
        'the time is neither epoch milliseconds nor RFC 3339',
        'the sequence is not a whole number from 0 on',
        'the type is not text of 1 to 256 characters',
      ],
    });
  });

  it('of the key come first: without one there is nothing to quarantine under', () => {
    const bad = (over: Partial<RawEvent>) => rejectionOf(decode({ ...rawEvent(), ...over }));
    expect(bad({ token: 'a%2e' })).toMatchObject({ code: 'EVENT_KEY_INVALID', key: undefined });
    expect(bad({ token: '%20a' }).problems).toEqual(['the key begins or ends with white space']);
    expect(bad({ token: 'x'.repeat(257) }).problems).toEqual(['the key is longer than 256 bytes']);
    expect(bad({ token: undefined }).problems).toEqual(['the key is missing']);
    expect(bad({ token: undefined, body: '{"id":"e1","key":" a"}' }).problems).toEqual([
      'the key begins or ends with white space',
    ]);
  });

  it('of depth are found before parsing, brackets in text do not count', () => {
    const nested = (depth: number): string => `{"id":"e1","data":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(decode(rawEvent({ body: nested(DEPTH_MAX) })).kind).toBe('event');
    expect(rejectionOf(decode(rawEvent({ body: nested(DEPTH_MAX + 1) })))).toMatchObject({ code: 'EVENT_TOO_DEEP' });
    expect(rejectionOf(decode(rawEvent({ body: nested(100_000) })))).toMatchObject({ code: 'EVENT_TOO_DEEP' });
    expect(rejectionOf(decode(rawEvent({ body: '['.repeat(100_000) })))).toMatchObject({ code: 'EVENT_TOO_DEEP' });
    const wide = { id: 'e1', data: Array.from({ length: 200 }, () => ({ a: [] })) };
    expect(decode(rawEvent({ json: wide })).kind).toBe('event');
    expect(decode(rawEvent({ json: { id: 'e1', data: '[{"\\'.repeat(100) } })).kind).toBe('event');
  });
});

describe('times', () => {
  it.each([
    [T0, T0],
    [T0 + 0.9, T0],
    [0, 0],
    [TIME_MAX, TIME_MAX],
    [String(T0), T0],
    ['2023-11-14T22:13:20Z', T0],
    ['2023-11-14t22:13:20z', T0],
    ['2023-11-14T22:13:20.123Z', T0 + 123],
    ['2023-11-14T22:13:20.123999999Z', T0 + 123],
    ['2023-11-15T00:13:20+02:00', T0],
    ['2023-11-14T16:43:20.5-05:30', T0 + 500],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000],
    ['9999-12-31T23:59:59.999Z', TIME_MAX],
  ])('%j is %d', (time, epoch) => {
    expect(eventOf(decode(rawEvent({ json: { id: 'e1', time } }))).time).toBe(epoch);
  });

  it.each([
    -1,
    TIME_MAX + 1,
    1e300,
    null,
    true,
    {},
    '',
    'now',
    '-5',
    '1e3',
    '2023-11-14',
    '2023-11-14T22:13:20',
    '2023-11-14 22:13:20Z',
    '2023-13-14T22:13:20Z',
    '2023-02-29T00:00:00Z',
    '2024-02-30T00:00:00Z',
    '2024-04-31T12:00:00Z',
    '2024-01-01T24:00:00Z',
    '2023-11-14T22:60:20Z',
    '2023-11-14T22:13:20+24:00',
    '1969-12-31T23:59:59Z',
    'Tue, 14 Nov 2023 22:13:20 GMT',
  ])('%j is refused, not repaired', (time) => {
    expect(rejectionOf(decode(rawEvent({ json: { id: 'e1', time } }))).problems).toEqual([
      'the time is neither epoch milliseconds nor RFC 3339',
    ]);
  });
});

describe('sequences and types', () => {
  it.each([
    [0, 0],
    [7, 7],
    ['0007', 7],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])('sequence %j is %d', (sequence, number) => {
    expect(eventOf(decode(rawEvent({ json: { id: 'e1', sequence } }))).sequence).toBe(number);
  });

  it.each([-1, 1.5, '1.5', '', ' 1', null, 2 ** 53, '9999999999999999'])('sequence %j is refused', (sequence) => {
    expect(rejectionOf(decode(rawEvent({ json: { id: 'e1', sequence } }))).code).toBe('EVENT_INVALID');
  });

  it.each(['', 'x'.repeat(257), 5, null])('type %j is refused', (type) => {
    expect(rejectionOf(decode(rawEvent({ json: { id: 'e1', type } }))).code).toBe('EVENT_INVALID');
  });
});
