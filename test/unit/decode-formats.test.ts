/** Where the parts of an event may come from: CloudEvents, headers, pointers, subject tokens, the content. */
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../src/core/event/decode.js';
import { decodeEvent } from '../../src/core/event/decode.js';
import type { Event, RawEvent } from '../../src/core/event/event.js';
import type { EventPart } from '../../src/core/event/event-format.js';
import { parsePlace } from '../../src/core/event/event-format.js';
import { headerOf, mentionsCloudEvents } from '../../src/core/event/header-block.js';
import { formatOf, rawEvent, T0 } from './raw-events.js';

const decode = (raw: RawEvent, places: Partial<Record<EventPart, string>> = {}): Decoded =>
  decodeEvent(raw, formatOf(places), true);

function eventOf(decoded: Decoded): Event {
  if (decoded.kind === 'rejected') throw new Error(`rejected: ${decoded.rejection.problems.join('; ')}`);
  return decoded.event;
}

describe('CloudEvents 1.0', () => {
  const attributes = { specversion: '1.0', id: 'c1', source: '/bank', type: 'deposit', time: '2023-11-14T22:13:20Z' };

  it('structured: attributes and data of the body', () => {
    const json = { ...attributes, partitionkey: 'account-1', sequence: '0003', data: { amount: 3 } };
    expect(eventOf(decode(rawEvent({ json })))).toEqual({
      id: 'c1',
      key: 'account-1',
      time: T0,
      sequence: 3,
      type: 'deposit',
      data: { amount: 3 },
    });
  });

  it('structured: data_base64 is data, `key` is a foreign extension', () => {
    const json = { ...attributes, key: 'other', data_base64: 'AAE=' };
    expect(eventOf(decode(rawEvent({ json })))).toMatchObject({ key: 'account-1', data: 'AAE=' });
  });

  it('structured: the partitionkey must be the key of the subject, or be the key', () => {
    const json = { ...attributes, partitionkey: 'account-2' };
    expect(decode(rawEvent({ json }))).toMatchObject({ kind: 'rejected', key: 'account-1' });
    expect(eventOf(decode(rawEvent({ json, token: undefined }))).key).toBe('account-2');
  });

  it('binary: attributes of the headers, percent-decoded, the whole body is data', () => {
    const headers = [
      'ce-specversion: 1.0',
      'ce-id: caf%C3%A9',
      'CE-Source: /bank',
      'ce-type: deposit',
      `ce-time: ${T0}`,
    ];
    const json = { id: 'not this', amount: 3 };
    expect(eventOf(decode(rawEvent({ json, headers })))).toEqual({
      id: 'café',
      key: 'account-1',
      time: T0,
      sequence: undefined,
      type: 'deposit',
      data: json,
    });
  });

  it('binary: what is not percent-encoding is taken as it is', () => {
    const headers = ['ce-specversion: 1.0', 'ce-id: 100%'];
    expect(eventOf(decode(rawEvent({ json: {}, headers }))).id).toBe('100%');
  });

  it('binary: every problem at once', () => {
    const headers = ['ce-specversion: 1.0', 'ce-time: noon', 'ce-partitionkey: b'];
    const decoded = decode(rawEvent({ json: {}, headers }));
    expect(decoded.kind === 'rejected' && decoded.rejection.problems).toHaveLength(3);
  });
});

describe('custom places', () => {
  it('read headers, pointers and subject tokens instead of the convention', () => {
    const raw = rawEvent({
      subject: 'orders.eu.created.o-7',
      token: undefined,
      json: { order: { 'no/': 'o-7', at: T0 + 9, '~n': 4 }, id: 'unused' },
      headers: ['Order-Event: x1'],
    });
    const places = {
      id: 'header:order-event',
      key: 'json:/order/no~1',
      time: 'json:/order/at',
      sequence: 'json:/order/~0n',
      type: 'subject:3',
      data: 'json:/order',
    };
    expect(eventOf(decode(raw, places))).toEqual({
      id: 'x1',
      key: 'o-7',
      time: T0 + 9,
      sequence: 4,
      type: 'created',
      data: { 'no/': 'o-7', at: T0 + 9, '~n': 4 },
    });
  });

  it('a named place that is empty is not filled from elsewhere', () => {
    const raw = rawEvent({ json: { id: 'body' }, headers: ['Nats-Msg-Id: n1'] });
    expect(decode(raw, { id: 'json:/order/id' }).kind).toBe('rejected');
    expect(eventOf(decode(raw, { time: 'json:/at' })).time).toBe(T0);
  });

  it('the body as data, and pointers never reach a prototype', () => {
    const raw = rawEvent({ json: { id: 'e1', data: 5 } });
    expect(eventOf(decode(raw, { data: 'body' })).data).toEqual({ id: 'e1', data: 5 });
    expect(eventOf(decode(raw, { data: 'json:/constructor/name' })).data).toBeNull();
  });

  it('an id of the content is equal for equal values only, whatever their order in the body', () => {
    const idOf = (body: string): string => eventOf(decode(rawEvent({ body }), { id: 'content:/order,/n' })).id;
    const id = idOf('{"order":{"a":1,"b":[2]},"n":1}');
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(idOf('{"n":1,"order":{"b":[2],"a":1},"other":true}')).toBe(id);
    const others = ['{"order":{"a":1,"b":[2]},"n":"1"}', '{"order":{"a":1,"b":2},"n":1}', '{"order":1}', '{"n":1}'];
    expect(new Set([id, ...others.map(idOf)]).size).toBe(5);
    expect(decode(rawEvent({ json: { x: 1 } }), { id: 'content:/order,/n' }).kind).toBe('rejected');
  });
});

describe('parsePlace', () => {
  it.each([
    ['id', 'subject:0'],
    ['id', 'subject:100'],
    ['id', 'header:'],
    ['id', 'header:a b'],
    ['id', 'header:a:b'],
    ['id', 'json:order'],
    ['id', 'json:/a~2'],
    ['id', 'content:/a,b'],
    ['id', 'what'],
    ['id', ''],
    ['key', 'auto'],
    ['key', 'content:/a'],
    ['time', 'subject:1'],
    ['data', 'header:x'],
  ] as const)('%s from %j is refused with a phrase', (part, text) => {
    expect(typeof parsePlace(part, text)).toBe('string');
  });

  it('header names are looked up in lower case, pointers are unescaped', () => {
    expect(parsePlace('id', 'header:Order-Id')).toEqual({ kind: 'header', name: 'order-id' });
    expect(parsePlace('data', 'json:')).toEqual({ kind: 'pointer', path: [] });
    expect(parsePlace('data', 'json:/a~01/')).toEqual({ kind: 'pointer', path: ['a~1', ''] });
  });
});

describe('headerOf', () => {
  const block = 'NATS/1.0\r\nNats-Msg-Id:  a b \r\nempty:\r\nNats-Msg-Id: second\r\nx-nats-msg-id: no\r\nlast: 1';

  it.each([
    ['nats-msg-id', 'a b'],
    ['empty', ''],
    ['last', '1'],
    ['msg-id', undefined],
    ['nats-msg', undefined],
    ['nats/1.0\r\nnats-msg-id', undefined],
    ['none', undefined],
  ])('%j is %j: the first of that name, whatever its case', (name, value) => {
    expect(headerOf(block, name)).toBe(value);
  });

  it('is undefined without a block, and bears a block of one line or of nothing', () => {
    expect(headerOf(undefined, 'a')).toBeUndefined();
    for (const odd of ['', 'NATS/1.0', '\r\n\r\n', ':', 'a', '\n:']) expect(headerOf(odd, 'a')).toBeUndefined();
    expect(headerOf('a:\tb\t', 'a')).toBe('b');
  });

  it('a value cannot pretend to be a line', () => {
    expect(headerOf('x: ce-id: 1\r\ny: 2', 'ce-id')).toBeUndefined();
    expect(mentionsCloudEvents('x: ce-specversion: 1')).toBe(false);
    expect(mentionsCloudEvents('NATS/1.0\r\nCE-SpecVersion: 1.0')).toBe(true);
  });
});
