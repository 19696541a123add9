/** Outputs on their way out (invariants O1 and O2 of src/core/actor/outbox.ts; ids are tested with the actor). */
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/core/actor/outbox.js';

const output = (id: string, data: unknown = id) => ({ id, subject: 'out', data });
const entry = (id: string): [string, string] => [id, JSON.stringify({ subject: 'out', data: id })];

describe('Outbox', () => {
  it('O1: hands an output out only after the commit that stores it is confirmed, and once', () => {
    const outbox = new Outbox();
    outbox.add(output('a'));
    expect(outbox.changes()).toEqual({ set: [entry('a')], remove: [] });
    outbox.add(output('b'));
    expect(outbox.saved()).toEqual([entry('a')]);
    expect(outbox.changes()).toEqual({ set: [entry('b')], remove: [] });
    expect(outbox.saved()).toEqual([entry('b')]);
    expect(outbox.changes()).toEqual({ set: [], remove: [] });
    expect(outbox.saved()).toEqual([]);
  });

  it('removes what is known to be published, in the next commit only', () => {
    const outbox = new Outbox();
    outbox.add(output('a'));
    outbox.changes();
    outbox.saved();
    expect(outbox.isDirty).toBe(false);
    outbox.published(['a']);
    expect(outbox.isDirty).toBe(true);
    expect(outbox.changes()).toEqual({ set: [], remove: ['a'] });
    outbox.published(['b']);
    expect(outbox.saved()).toEqual([]);
    expect(outbox.changes().remove).toEqual(['b']);
  });

  it('counts what is not known to be removed from the store, at every moment of a commit', () => {
    const outbox = new Outbox();
    outbox.restore(2);
    expect(outbox.size).toBe(2);
    outbox.add(output('a'));
    expect(outbox.size).toBe(3);
    outbox.published(['x', 'y']);
    outbox.changes();
    expect(outbox.size).toBe(3);
    outbox.saved();
    expect(outbox.size).toBe(1);
  });

  it('keeps the order in which outputs were emitted', () => {
    const outbox = new Outbox();
    for (const id of ['m.0.9.0', 'm.0.9.1', 'm.0.10.0']) outbox.add(output(id));
    expect(outbox.changes().set.map(([id]) => id)).toEqual(['m.0.9.0', 'm.0.9.1', 'm.0.10.0']);
  });
});
