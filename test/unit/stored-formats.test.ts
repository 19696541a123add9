/**
 * Durable bytes are public API: what any version stored is read by every later one, and goes on to the same end.
 *
 * Each file of test/fixtures/checkpoints is a partition as that format's version stored it, in the middle of the stream
 * below: disorder, a repeat, dead letters, a quarantined key with parked events, outputs, held events, and due ones
 * whose state was being loaded. They are never written again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RECORD_FORMAT } from '../../src/core/checkpoint/record.js';
import { baseOptions, type Deed, streamEvent, T0 } from '../property/actor-stream.js';
import { World } from '../property/actor-world.js';

interface Fixture {
  readonly owner: string;
  readonly number: number;
  readonly record: string;
  readonly state: Record<string, string>;
  /** By number, base64. */
  readonly segments: Record<string, string>;
  readonly dead: Record<string, string>;
  readonly parked: Record<string, string>;
  readonly outbox: Record<string, string>;
}

const events: readonly (readonly [key: string, time: number, deed?: Deed])[] = [
  ['a', 0, 'emit'],
  ['q', 1, 'throw'],
  ['q', 3],
  ['b', 5],
  ['b', 4],
  ['c', 90],
  ['a', 70, 'emit'],
  ['a', 71],
  ['c', 200],
  ['q', 140],
  ['d', 210],
  ['a', 220],
  ['b', 300],
];

const stream = [
  ...events.map(([key, time, deed = 'add'], i) =>
    streamEvent(i + 1, T0 + 1000 + i, { key, id: `e${i}`, time: T0 + time, deed }),
  ),
  streamEvent(events.length + 1, T0 + 1100, { key: 'a', id: 'e0', time: T0, deed: 'emit' }),
  streamEvent(events.length + 2, T0 + 1101, { key: 'd', id: 'z', time: T0 + 400, deed: 'add' }),
];

const folder = new URL('../../../test/fixtures/checkpoints/', import.meta.url);
const names = readdirSync(folder).sort();

function worldFrom({ owner, number, record, ...hashes }: Fixture): World {
  const world = new World(stream, { ...baseOptions, poison: 'quarantine' });
  const [state, dead, parked, outbox] = [hashes.state, hashes.dead, hashes.parked, hashes.outbox].map(
    (fields) => new Map(Object.entries(fields)),
  ) as [Map<string, string>, Map<string, string>, Map<string, string>, Map<string, string>];
  const segments = new Map(
    Object.entries(hashes.segments).map(([n, text]) => [Number(n), new Uint8Array(Buffer.from(text, 'base64'))]),
  );
  world.stored = { owner, number, record, state, segments, dead, parked, outbox };
  world.crash(false);
  return world;
}

describe('a stored partition', () => {
  it('has a fixture of every format', () => {
    expect(names).toEqual(Array.from({ length: RECORD_FORMAT }, (_, i) => `format-${i + 1}.json`));
  });

  it.each(names)('of %s is read, and goes on to the same end', (name) => {
    const fixture = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Fixture;
    const world = worldFrom(fixture);
    expect(world.actor.quarantined().map(({ key, parked }) => [key, parked])).toEqual([['q', 2]]);
    expect(world.finish()).toMatchObject({
      states: {
        a: { log: [1, 7, 8, 12] },
        b: { log: [5, 4, 13] },
        c: { log: [6, 9] },
        d: { log: [11, 15] },
        q: { log: [3, 10] },
      },
      dead: { 2: 'HANDLER_THREW' },
      counters: { applied: 13, duplicates: 1, late: 0 },
    });
    expect([...world.outputs.keys()]).toEqual(['main.3.1.0', 'main.3.1.1', 'main.3.7.0', 'main.3.7.1']);
    expect(JSON.parse(world.stored.record)).toMatchObject({ format: RECORD_FORMAT });
  });
});
