/** What every membership must do. Each subject stands for one application that several nodes work on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Coordinator } from '../../src/ports/coordinator.js';
import type { ClusterView, MemberEntry, Membership } from '../../src/ports/membership.js';
import { until } from '../support/until.js';

/** One process of the application. */
export interface MemberUnderTest {
  readonly membership: Membership;
  readonly coordinator: Coordinator;
}

export interface MembershipUnderTest {
  /** A process of this name and incarnation, with everything that is stored already. */
  node(name: string, incarnation: string): MemberUnderTest;
  close(): Promise<void>;
}

const entry = (over: Partial<MemberEntry> = {}): MemberEntry => ({
  ...{ isLeaving: false, isStalled: false, reads: [1, 2] as const, url: undefined, since: 5, progress: 0 },
  ...over,
});

const WAIT_MS = 20_000;

export function membershipContract(name: string, create: () => Promise<MembershipUnderTest>): void {
  describe(`Membership contract: ${name}`, () => {
    let subject: MembershipUnderTest;
    const stops: (() => void)[] = [];
    beforeEach(async () => {
      subject = await create();
    });
    afterEach(async () => {
      for (const stop of stops.splice(0)) stop();
      await subject.close();
    });

    /** The newest view that a node was shown. */
    function viewOf({ membership }: MemberUnderTest): () => ClusterView | undefined {
      let newest: ClusterView | undefined;
      stops.push(
        membership.watch((view) => {
          const { members, left, claims } = view;
          newest = { members: new Map(members), left: new Set(left), claims: new Map(claims) };
        }),
      );
      return () => newest;
    }
    const shows = (view: () => ClusterView | undefined, what: string, is: (view: ClusterView) => boolean) =>
      until(
        () => {
          const seen = view();
          return seen !== undefined && is(seen);
        },
        WAIT_MS,
        what,
      );

    it('M1: shows members and claims of before and after the watch began', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('b.x', '2')];
      await a.membership.beat(entry({ url: 'http://a', progress: 7 }), true);
      await a.membership.claim(3, 0);
      const view = viewOf(b);
      await shows(view, 'what was there', ({ members, claims }) => members.has('a') && claims.has(3));
      expect(view()!.members.get('a')).toMatchObject({ name: 'a', incarnation: '1', url: 'http://a', progress: 7 });
      expect(view()!.claims.get(3)).toMatchObject({ node: 'a', incarnation: '1', isReleased: false });
      await b.membership.beat(entry({ isStalled: true, isLeaving: true }), true);
      await shows(view, 'the new member', ({ members }) => members.has('b.x'));
      expect(view()!.members.get('b.x')).toMatchObject({ incarnation: '2', isStalled: true, isLeaving: true });
    });

    it('M1: an entry changes with every beat, and only then', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('b', '2')];
      await a.membership.beat(entry(), true);
      const first = await b.membership.find('a');
      expect((await b.membership.find('a'))?.revision).toBe(first!.revision);
      await a.membership.beat(entry(), false);
      expect((await b.membership.find('a'))?.revision).not.toBe(first!.revision);
      expect(await b.membership.find('c')).toBeUndefined();
    });

    it('M2: another process of the same name is not written over, unless it is to be', async () => {
      const [old, young] = [subject.node('a', '1'), subject.node('a', '2')];
      expect(await old.membership.beat(entry(), true)).toBe('present');
      expect(await young.membership.beat(entry(), false)).toBe('superseded');
      expect((await old.membership.find('a'))?.incarnation).toBe('1');
      expect(await young.membership.beat(entry(), true)).toBe('present');
      expect(await old.membership.beat(entry(), false)).toBe('superseded');
      expect((await old.membership.find('a'))?.incarnation).toBe('2');
      await old.membership.leave();
      expect((await old.membership.find('a'))?.incarnation).toBe('2');
    });

    it('M2, M3: who was removed comes back with its next beat; one that has beaten since is not removed', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('b', '2')];
      const view = viewOf(b);
      await b.membership.beat(entry(), true);
      await a.membership.beat(entry(), true);
      const seen = (await b.membership.find('a'))!;
      await a.membership.beat(entry(), false);
      await b.membership.evict(seen);
      expect(await b.membership.find('a')).toBeDefined();
      await b.membership.evict((await b.membership.find('a'))!);
      expect(await b.membership.find('a')).toBeUndefined();
      await shows(view, 'that it is gone', ({ members, left }) => !members.has('a') && left.has('a'));
      expect(await a.membership.beat(entry(), false)).toBe('present');
      await shows(view, 'that it is back', ({ members, left }) => members.has('a') && !left.has('a'));
      await a.membership.leave();
      await shows(view, 'that it has left', ({ members, left }) => !members.has('a') && left.has('a'));
    });

    it('M3: claims only what is as it was seen, with epochs that grow, and says what was there before', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('b', '2')];
      const first = await a.membership.claim(0, 0);
      expect(first?.before).toBeUndefined();
      expect(await b.membership.claim(0, 0)).toBeUndefined();
      expect(await b.membership.claim(0, first!.epoch + 5)).toBeUndefined();
      await a.coordinator.establish(0, 9);
      const second = await b.membership.claim(0, first!.epoch);
      expect(second!.epoch).toBeGreaterThan(first!.epoch);
      expect(second!.origin).toBe(9);
      expect(second!.before).toMatchObject({ node: 'a', epoch: first!.epoch, isReleased: false });
      expect(await a.coordinator.holder(0)).toEqual({ epoch: second!.epoch, node: 'b' });
      expect((await a.coordinator.claim(0)).epoch).toBeGreaterThan(second!.epoch);
      expect(await b.membership.claim(0, second!.epoch)).toBeUndefined();
    });

    it('M3: one of many that claim the same at once gets it', async () => {
      const nodes = ['a', 'b', 'c', 'd'].map((node) => subject.node(node, node));
      const tickets = await Promise.all(nodes.map(({ membership }) => membership.claim(4, 0)));
      const winners = tickets.flatMap((ticket) => ticket ?? []);
      expect(winners).toHaveLength(1);
      expect((await nodes[0]!.coordinator.holder(4))?.epoch).toBe(winners[0]!.epoch);
    });

    it('a claim whose reply was lost is answered again, to the process that made it and to no other', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('a', '2')];
      const first = await a.membership.claim(1, 0);
      expect((await a.membership.claim(1, 0))?.epoch).toBe(first!.epoch);
      expect(await b.membership.claim(1, 0)).toBeUndefined();
      await a.membership.release(1, first!.epoch, 3);
      expect(await a.membership.claim(1, 0)).toBeUndefined();
    });

    it('M3: a release ends the claim that it names, once; the claim of whoever came since stays', async () => {
      const [a, b] = [subject.node('a', '1'), subject.node('b', '2')];
      const view = viewOf(b);
      await b.membership.beat(entry(), true);
      const first = await a.membership.claim(2, 0);
      await a.membership.release(2, first!.epoch, 17);
      await shows(view, 'the release', ({ claims }) => claims.get(2)?.isReleased === true);
      expect(view()!.claims.get(2)).toMatchObject({ node: 'a', applied: 17, epoch: first!.epoch });
      await a.membership.release(2, first!.epoch, undefined);
      const second = await b.membership.claim(2, first!.epoch);
      expect(second!.before).toMatchObject({ isReleased: true, applied: 17 });
      await a.membership.release(2, first!.epoch, 99);
      expect((await b.membership.claim(2, second!.epoch))?.before).toMatchObject({ isReleased: false });
      await a.membership.release(7, 1, undefined);
      expect(await a.coordinator.holder(7)).toBeUndefined();
    });

    it('a release without a count leaves it open, and an origin outlives claims and releases', async () => {
      const a = subject.node('a', '1');
      const first = await a.membership.claim(5, 0);
      await a.coordinator.establish(5, 4);
      await a.membership.release(5, first!.epoch, undefined);
      const second = await a.membership.claim(5, first!.epoch);
      expect(second).toMatchObject({ origin: 4, before: { isReleased: true, applied: undefined } });
    });
  });
}
