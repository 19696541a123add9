/** What a node is to own, with time in the hand: who counts as gone, what is claimed and what is handed over. */
import { describe, expect, it } from 'vitest';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import type { MillraceError } from '../../src/errors.js';
import type { MemberEntry } from '../../src/ports/membership.js';
import { Ownership } from '../../src/runtime/ownership.js';
import { HandClock } from '../support/hand-clock.js';

const PARTITIONS = 8;
const LEASE_MS = 1_000;

/** Nodes that claim and let go at once, as they are told. */
class Stage {
  readonly clock = new HandClock();
  readonly board = new MemoryCoordinator({ node: '' });
  readonly #incarnations = new Map<string, number>();

  node(name: string, over: { sameName?: 'take-over' | 'refuse' } = {}): Actor {
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    return new Actor(this, name, this.board.as(name, `${name}-${incarnation}`), over.sameName ?? 'take-over');
  }

  /** Two nodes that have joined, and share the partitions. */
  async pair(): Promise<readonly [Actor, Actor]> {
    const [a, b] = [this.node('a'), this.node('b')];
    await a.ownership.join();
    await b.ownership.join();
    await this.clock.pass(500);
    return [a, b];
  }
}

class Actor {
  readonly held = new Map<number, { readonly partition: number; epoch: number }>();
  readonly told: string[] = [];
  readonly membership: MemoryCoordinator;
  readonly ownership: Ownership;
  isWhole = true;
  /** Beats get lost. */
  isCut = false;
  failure: MillraceError | undefined;

  constructor(stage: Stage, name: string, membership: MemoryCoordinator, sameName: 'take-over' | 'refuse') {
    this.membership = membership;
    const cut = <T>(work: () => Promise<T>): Promise<T> => (this.isCut ? Promise.reject(new Error('cut')) : work());
    this.ownership = new Ownership(
      { name, partitions: PARTITIONS, leaseMs: LEASE_MS, sameName, url: undefined },
      {
        membership: {
          incarnation: membership.incarnation,
          beat: (entry, take) => cut(() => membership.beat(entry, take)),
          leave: () => membership.leave(),
          evict: (member) => cut(() => membership.evict(member)),
          claim: (partition, after) => membership.claim(partition, after),
          release: (partition, epoch, applied) => membership.release(partition, epoch, applied),
          find: (other) => membership.find(other),
          watch: (changed) => membership.watch((view) => (this.isCut ? undefined : changed(view))),
        },
        clock: stage.clock,
        line: () => undefined,
        held: () => this.held.values(),
        progress: () => ({ isWhole: this.isWhole, reports: 0 }),
        events: {
          gain: (partition, claim) => void this.#gain(partition, claim?.epoch ?? 0),
          lose: (partition) => void this.#lose(partition),
          lost: (partition, { node }) => {
            this.told.push(`lost ${partition} to ${node}`);
            this.held.delete(partition);
          },
          reviewed: () => undefined,
          failed: (error) => {
            this.failure ??= error;
          },
        },
      },
    );
  }

  get partitions(): number[] {
    return [...this.held.keys()].sort((a, b) => a - b);
  }

  async #gain(partition: number, after: number): Promise<void> {
    if (this.held.has(partition)) return;
    const one = { partition, epoch: 0 };
    this.held.set(partition, one);
    const ticket = await this.membership.claim(partition, after);
    if (ticket === undefined) this.held.delete(partition);
    else one.epoch = ticket.epoch;
    this.told.push(ticket === undefined ? `refused ${partition}` : `gain ${partition}`);
  }

  async #lose(partition: number): Promise<void> {
    const one = this.held.get(partition);
    if (one === undefined || one.epoch === 0) return;
    this.held.delete(partition);
    this.told.push(`lose ${partition}`);
    await this.membership.release(partition, one.epoch, 0);
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('a node among others', () => {
  it('W1: takes everything when it is alone, half when there are two, and everything back when the other has left', async () => {
    const stage = new Stage();
    const [a, b] = [stage.node('a'), stage.node('b')];
    await a.ownership.join();
    await stage.clock.pass(10);
    expect(a.partitions).toEqual(range(0, 8));
    await b.ownership.join();
    await stage.clock.pass(10);
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
    expect(b.told.filter((line) => line.startsWith('refused'))).toEqual([]);
    await b.ownership.startLeaving();
    await stage.clock.pass(10);
    expect([a.partitions, b.partitions]).toEqual([range(0, 8), []]);
    await b.ownership.leave();
    expect(await a.membership.find('b')).toBeUndefined();
    expect(a.ownership.status()).toMatchObject({ share: 8, missing: 0 });
  });

  it('W1: takes nothing from an owner that is silent for less than a lease, and everything after it', async () => {
    const stage = new Stage();
    const [a, b] = await stage.pair();
    a.isCut = true;
    await stage.clock.pass(LEASE_MS - 300);
    expect(b.partitions).toEqual(range(4, 8));
    await stage.clock.pass(600);
    expect(b.partitions).toEqual(range(0, 8));
    expect(await b.membership.find('a')).toBeUndefined();
    // The zombie hears of it, drops what it has, comes back, and gets a share.
    a.isCut = false;
    await stage.clock.pass(LEASE_MS);
    expect(a.told.filter((line) => line.startsWith('lost')).length).toBeGreaterThan(0);
    expect([...a.partitions, ...b.partitions].sort((x, y) => x - y)).toEqual(range(0, 8));
    expect(a.partitions).toHaveLength(4);
  });

  it('W5: lets go of a claim whose reply was lost and which it is not to have any more', async () => {
    const stage = new Stage();
    const [a, b] = await stage.pair();
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
    // It took effect, and whoever asked for it has forgotten that it did.
    await a.membership.claim(5, b.held.get(5)!.epoch);
    await stage.clock.pass(10);
    expect(b.told).toContain('lost 5 to a');
    await stage.clock.pass(500);
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
  });

  it('W2, Q2: a node that was frozen for long gives the others a lease before it takes anything', async () => {
    const stage = new Stage();
    const [a, b] = await stage.pair();
    b.told.length = 0;
    stage.clock.freeze(10 * LEASE_MS); // both of them; the first beat that is due may be anybody's
    await stage.clock.pass(LEASE_MS / 2);
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
    await stage.clock.pass(3 * LEASE_MS);
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
    expect(b.told).toEqual([]);
  });

  it('Q2: nobody is gone while we are cut off ourselves, nor at once when we are back', async () => {
    const stage = new Stage();
    const [a, b] = await stage.pair();
    b.told.length = 0;
    a.isCut = true;
    b.isCut = true;
    await stage.clock.pass(5 * LEASE_MS);
    expect(b.partitions).toEqual(range(4, 8));
    b.isCut = false;
    await stage.clock.pass(LEASE_MS / 2);
    a.isCut = false;
    await stage.clock.pass(3 * LEASE_MS);
    expect([a.partitions, b.partitions]).toEqual([range(0, 4), range(4, 8)]);
    expect(b.told).toEqual([]);
  });

  it('W3: a node with a thread that makes no progress hands everything over, and gets a share again after', async () => {
    const stage = new Stage();
    const [a, b] = await stage.pair();
    a.isWhole = false;
    await stage.clock.pass(LEASE_MS);
    expect([a.partitions, b.partitions]).toEqual([[], range(0, 8)]);
    expect(b.ownership.status()!.members).toMatchObject([{ name: 'a', phase: 'stalled' }, { name: 'b' }]);
    a.isWhole = true;
    await stage.clock.pass(LEASE_MS);
    expect(a.partitions).toHaveLength(4);
  });

  it('W3: where nobody could do better, a stalled node keeps what it has', async () => {
    const stage = new Stage();
    const a = stage.node('a');
    await a.ownership.join();
    a.isWhole = false;
    await stage.clock.pass(5 * LEASE_MS);
    expect(a.partitions).toEqual(range(0, 8));
  });

  it('takes over from an earlier process of its name at once; that one is told', async () => {
    const stage = new Stage();
    const old = stage.node('a');
    await old.ownership.join();
    await stage.clock.pass(10);
    const young = stage.node('a');
    await young.ownership.join();
    await stage.clock.pass(10);
    expect(young.partitions).toEqual(range(0, 8));
    expect(old.failure).toMatchObject({ code: 'FENCED' });
    await old.ownership.leave();
    expect((await young.membership.find('a'))?.incarnation).toBe('a-2');
  });

  it('refuses to start where another process of its name is alive, if it is to; one that is dead counts for a lease', async () => {
    const stage = new Stage();
    const old = stage.node('a');
    await old.ownership.join();
    await stage.clock.pass(10);
    const young = stage.node('a', { sameName: 'refuse' });
    const joining = young.ownership.join().then(
      () => 'joined',
      ({ code }: MillraceError) => code,
    );
    await stage.clock.pass(2 * LEASE_MS);
    expect(await joining).toBe('NODE_NAME_TAKEN');
    expect(old.partitions).toEqual(range(0, 8));
    old.isCut = true;
    const patient = stage.node('a', { sameName: 'refuse' });
    const waiting = patient.ownership.join();
    await stage.clock.pass(2 * LEASE_MS);
    await waiting;
    expect(patient.partitions).toEqual(range(0, 8));
  });

  it('an owner that has no entry, and of which nobody saw that it was removed, counts for a lease', async () => {
    const stage = new Stage();
    await stage.board.as('ghost', 'g').claim(0, 0);
    const a = stage.node('a');
    await a.ownership.join();
    await stage.clock.pass(LEASE_MS / 2);
    expect(a.partitions).toEqual(range(1, 8));
    await stage.clock.pass(LEASE_MS);
    expect(a.partitions).toEqual(range(0, 8));
  });

  it('does not begin to write what a member could not read; a newer member that reads it is welcome', async () => {
    const stage = new Stage();
    const entry = (reads: MemberEntry['reads']): MemberEntry => ({
      ...{ isLeaving: false, isStalled: false, url: undefined, since: 0, progress: 0 },
      reads,
    });
    await stage.board.as('newer', 'n').beat(entry([1, 9]), true);
    const a = stage.node('a');
    await a.ownership.join();
    await stage.clock.pass(10);
    expect(a.failure).toBeUndefined();
    expect(a.partitions).toHaveLength(4);
    await stage.board.as('stranger', 's').beat(entry([90, 91]), true);
    const b = stage.node('b');
    await b.ownership.join();
    await stage.clock.pass(10);
    expect(b.failure).toMatchObject({ code: 'CHECKPOINT_FORMAT' });
    expect(b.failure!.message).toContain('node stranger reads checkpoint formats 90 to 91');
    expect(b.partitions).toEqual([]);
    expect(a.failure).toBeUndefined();
  });

  it('shows who owns what since when', async () => {
    const stage = new Stage();
    const [a] = await stage.pair();
    const { members, ranges, share, missing } = a.ownership.status()!;
    expect(members.map(({ name, phase, partitions }) => `${name} ${phase} ${partitions}`)).toEqual([
      'a active 4',
      'b active 4',
    ]);
    expect(ranges.map(({ first, last, node }) => `${first}-${last} ${node}`)).toEqual(['0-3 a', '4-7 b']);
    expect([share, missing]).toEqual([4, 0]);
  });
});
