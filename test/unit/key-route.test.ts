/** Where events go: to the partition of their key, whatever else their subject says (I7). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { problemOfName, tokenOfKey } from '../../src/core/key/key.js';
import { partitionOf } from '../../src/core/key/partition.js';
import { keyRoute } from '../../src/runtime/key-route.js';
import { runs } from '../property/runs.js';
import { formatOf } from './raw-events.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const none = new Uint8Array(0);
const partitions = 64;
const routeBy = (key: string) => keyRoute({ key: formatOf({ key }).key, partition: { kind: 'key' }, partitions });

const keys = fc.oneof(
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 20, size: 'max' })
    .filter((key) => problemOfName(key) === undefined),
  fc.constantFrom('a.b', 'a%b', 'x*', '>', 'é', '🦊', 'a b', '__proto__'),
);

describe('keyRoute', () => {
  it('I7: a key has one partition, that of partitionOf, under every subject that carries it', () => {
    const [second, third] = [routeBy('subject:2'), routeBy('subject:3')];
    fc.assert(
      fc.property(keys, (key) => {
        const token = tokenOfKey(key);
        const own = partitionOf(key, partitions);
        for (const subject of [`events.${token}`, `other.${token}`, `events.${token}.created`])
          expect(second(bytes(subject), undefined, none)).toBe(own);
        expect(third(bytes(`a.b.${token}.c`), undefined, none)).toBe(own);
      }),
      runs(500),
    );
  });

  it('I7: a key in a header or in the body has the same partition', () => {
    const [byHeader, byPointer] = [routeBy('header:Account'), routeBy('json:/account')];
    for (const key of ['plain', 'a.b', 'é%']) {
      const own = partitionOf(key, partitions);
      expect(byHeader(bytes('events'), bytes(`NATS/1.0\r\nAccount: ${key}\r\n`), none)).toBe(own);
      expect(byPointer(bytes('events'), undefined, bytes(JSON.stringify({ account: key })))).toBe(own);
    }
  });

  it('I7: a key that is a whole number goes where its text goes; one that no double carries has no key', () => {
    const route = routeBy('json:/account');
    const at = (body: string): number => route(bytes('events'), undefined, bytes(body));
    for (const number of [0, 42, -7, 2 ** 53 - 1])
      expect(at(`{"account":${number}}`)).toBe(partitionOf(String(number), partitions));
    expect(at('{"account":1.5}')).toBe(at('{}'));
    expect(at('{"account":12345678901234567890}')).toBe(at('{}'));
  });

  it('is total: an event whose key cannot be found has a partition too', () => {
    const isOne = (partition: number): boolean => partition >= 0 && partition < partitions;
    expect(isOne(routeBy('subject:3')(bytes('events.a'), undefined, none))).toBe(true);
    expect(isOne(routeBy('header:Account')(bytes('events.a'), undefined, none))).toBe(true);
    expect(isOne(routeBy('json:/account')(bytes('events.a'), undefined, bytes('{')))).toBe(true);
  });

  it("takes the server's number where it wrote one, and 0 for what is not one", () => {
    const route = keyRoute({ key: formatOf().key, partition: { kind: 'token', index: 2 }, partitions });
    for (const [token, partition] of [
      ['7', 7],
      ['63', 63],
      ['64', 0],
      ['x', 0],
      ['', 0],
    ] as const)
      expect(route(bytes(`events.${token}.a`), undefined, none)).toBe(partition);
  });
});
