/** Partitions on their way between nodes: what is let go of, what is lost, and what is counted (D1 to D3). */
import { beforeEach, expect, it } from 'vitest';
import type { Membership } from '../../src/ports/membership.js';
import type { HostLink } from '../../src/ports/threads.js';
import type { MainToHost } from '../../src/protocol/messages.js';
import { Handover } from '../../src/runtime/handover.js';
import { newPartition, type PartitionStatus } from '../../src/runtime/partition-table.js';
import { HandClock } from '../support/hand-clock.js';

const PARTITION = 3;
const EPOCH = 2;

let posted: MainToHost[];
let lines: string[];
let releases: { readonly applied: number | undefined; readonly answer: () => void }[];
let table: Map<number, PartitionStatus>;
let handover: Handover;

beforeEach(() => {
  posted = [];
  lines = [];
  releases = [];
  const status = newPartition(PARTITION, 0, 0);
  status.phase = 'running';
  status.epoch = EPOCH;
  table = new Map([[PARTITION, status]]);
  const link = { post: (message: MainToHost) => posted.push(message) } as unknown as HostLink;
  const membership: Pick<Membership, 'release'> = {
    release: (_partition, _epoch, applied) => new Promise<void>((answer) => releases.push({ applied, answer })),
  };
  handover = new Handover({
    membership: membership as Membership,
    clock: new HandClock(),
    line: (_level, event) => lines.push(event),
    table,
    links: new Map([[0, link]]),
    isSilent: () => false,
    stopRouting: () => undefined,
    forgotten: () => undefined,
  });
});

const newOwner = { node: 'b', epoch: EPOCH + 1 };

/** Lets everything go on that waits for nothing else. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it.each([
  ['unclaimed', 0, false, 0],
  ['claiming', 0, false, 1],
  ['claiming', 0, true, 0],
  ['claiming', EPOCH, true, 1],
] as const)(
  'gives up what it only asks for where the owner is back, and goes on with other claims: %s, epoch %i, %s',
  (phase, epoch, isOthers, left) => {
    const status = table.get(PARTITION)!;
    status.phase = phase;
    status.epoch = epoch;
    handover.lose(PARTITION, isOthers);
    expect([table.size, posted, releases.length]).toEqual([left, [], 0]);
  },
);

it('D2: what another node claims while it runs is lost: the host drops it, and it is counted', () => {
  handover.lost(PARTITION, newOwner);
  expect(posted).toMatchObject([{ kind: 'halt', partition: PARTITION, fault: { code: 'FENCED' } }]);
  expect(lines).toEqual(['partition.lost']);
  expect([table.size, handover.moves.lost]).toEqual([0, 1]);
});

it('D2: so is what is claimed before its host has stored it', () => {
  handover.lose(PARTITION);
  handover.lost(PARTITION, newOwner);
  handover.released({ kind: 'released', partition: PARTITION, epoch: EPOCH, applied: 5 });
  expect([releases.length, handover.moves.lost, handover.moves.released]).toEqual([0, 1, 0]);
});

it('D1: what is let go of is not lost when its next owner is seen before the answer', async () => {
  handover.lose(PARTITION);
  expect(posted).toEqual([{ kind: 'release', partition: PARTITION, epoch: EPOCH }]);
  handover.released({ kind: 'released', partition: PARTITION, epoch: EPOCH, applied: 5 });
  await turn();
  expect(releases.map(({ applied }) => applied)).toEqual([5]);
  handover.lost(PARTITION, newOwner);
  expect([table.size, lines]).toEqual([1, []]);
  releases[0]!.answer();
  await turn();
  expect([table.size, lines]).toEqual([0, ['partition.released']]);
  expect(handover.moves).toMatchObject({ released: 1, lost: 0 });
});
