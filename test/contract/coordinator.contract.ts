/** What every coordinator must do. Each subject stands for one application that several nodes work on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Coordinator } from '../../src/ports/coordinator.js';

/** The coordination of one application with 8 partitions. */
export interface CoordinatorUnderTest {
  /** The coordinator of a node that is called so, with everything that is stored already. */
  node(name: string): Coordinator;
  close(): Promise<void>;
}

export function coordinatorContract(name: string, create: () => Promise<CoordinatorUnderTest>): void {
  describe(`Coordinator contract: ${name}`, () => {
    let subject: CoordinatorUnderTest;
    beforeEach(async () => {
      subject = await create();
    });
    afterEach(() => subject.close());

    it('O1: gives epochs that grow over claims, restarts and nodes, for each partition', async () => {
      const a = subject.node('a');
      const epochs = [
        await a.claim(0),
        await a.claim(0),
        await subject.node('a').claim(0),
        await subject.node('b').claim(0),
      ];
      for (const [at, { epoch }] of epochs.entries()) {
        expect(Number.isSafeInteger(epoch)).toBe(true);
        expect(epoch).toBeGreaterThan(at === 0 ? 0 : epochs[at - 1]!.epoch);
      }
      expect(epochs.at(-1)!.epoch).toBeGreaterThan((await a.claim(1)).epoch);
    });

    it('O1: gives no epoch twice to claims at the same time', async () => {
      const nodes = ['a', 'b', 'c'].map((node) => subject.node(node));
      const tickets = await Promise.all(Array.from({ length: 12 }, (_, index) => nodes[index % 3]!.claim(3)));
      expect(new Set(tickets.map(({ epoch }) => epoch)).size).toBe(12);
      const { epoch } = await nodes[0]!.claim(3);
      for (const ticket of tickets) expect(epoch).toBeGreaterThan(ticket.epoch);
    });

    it('O2: knows the origin from when the first record was noted, on every node', async () => {
      const a = subject.node('a');
      expect((await a.claim(0)).origin).toBeUndefined();
      expect((await a.claim(0)).origin).toBeUndefined();
      await a.establish(0, 17);
      await a.establish(0, 17);
      expect((await a.claim(0)).origin).toBe(17);
      expect((await subject.node('b').claim(0)).origin).toBe(17);
      expect((await a.claim(1)).origin).toBeUndefined();
    });

    it('O2: keeps any origin that a stream can have, and the newest one', async () => {
      const a = subject.node('a');
      for (const origin of [0, 1, Number.MAX_SAFE_INTEGER, 5]) {
        await a.claim(2);
        await a.establish(2, origin);
        expect((await subject.node('b').claim(2)).origin).toBe(origin);
      }
    });

    it('O2: loses neither origin nor claims when they come at the same time', async () => {
      const [a, b] = [subject.node('a'), subject.node('b')];
      await a.claim(5);
      const [, ...tickets] = await Promise.all([a.establish(5, 9), b.claim(5), a.claim(5), b.claim(5)]);
      const { epoch, origin } = await a.claim(5);
      expect(origin).toBe(9);
      const epochs = new Set([...tickets.map((ticket) => ticket.epoch), epoch]);
      expect(epochs.size).toBe(4);
      expect(Math.max(...epochs)).toBe(epoch);
    });

    it('O3: names the newest claim', async () => {
      const [a, b] = [subject.node('a'), subject.node('b')];
      expect(await a.holder(4)).toBeUndefined();
      const first = await a.claim(4);
      expect(await b.holder(4)).toEqual({ epoch: first.epoch, node: 'a' });
      const second = await b.claim(4);
      expect(await a.holder(4)).toEqual({ epoch: second.epoch, node: 'b' });
      await a.establish(4, 1);
      expect(await a.holder(4)).toEqual({ epoch: second.epoch, node: 'b' });
      expect(await a.holder(3)).toBeUndefined();
    });
  });
}
