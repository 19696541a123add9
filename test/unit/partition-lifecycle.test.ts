/** What an attempt still waits for when its partition has left the node, and perhaps come back (N3). */
import { beforeEach, expect, it } from 'vitest';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import type { EventLog, StreamInfo } from '../../src/ports/event-log.js';
import type { HostLink } from '../../src/ports/threads.js';
import type { HostToMain, MainToHost } from '../../src/protocol/messages.js';
import { PartitionLifecycle, type PartitionLifecycleDependencies } from '../../src/runtime/partition-lifecycle.js';
import { HandClock } from '../support/hand-clock.js';

const STREAM = 'EVENTS';

let board: MemoryCoordinator;
let clock: HandClock;
let posted: MainToHost[];
/** Floors from which the partition was told to run. */
let ran: number[];
let halted: string[];
/** Questions for what the stream holds that have no answer yet. */
let asked: { readonly answer: (info: StreamInfo) => void; readonly fail: (error: Error) => void }[];
let lifecycle: PartitionLifecycle;

const info: StreamInfo = { stream: STREAM, first: 1, last: 9 };

beforeEach(() => {
  board = new MemoryCoordinator({ node: '' });
  clock = new HandClock();
  posted = [];
  ran = [];
  halted = [];
  asked = [];
  const link = { post: (message: MainToHost) => posted.push(message) } as unknown as HostLink;
  const router = {
    indexOf: () => 0,
    infoOf: () => new Promise<StreamInfo>((answer, fail) => asked.push({ answer, fail })),
    run: ({ position }: { position: { floor: number } }) => ran.push(position.floor),
    halt: () => undefined,
    release: () => undefined,
  };
  const membership = board.as('a', 'a-1');
  const deps: Omit<PartitionLifecycleDependencies, 'router' | 'rewinds' | 'log'> = {
    coordinator: membership,
    membership,
    clock,
    line: (_level, event, fields) => {
      if (event === 'partition.halted') halted.push(JSON.stringify(fields));
    },
    links: new Map([[0, link]]),
    isSilent: () => false,
    phase: () => 'running',
    changed: () => undefined,
    failed: () => undefined,
  };
  lifecycle = new PartitionLifecycle(
    { chains: [[{ stream: STREAM, base: 0 }]], threads: 1, acceptGap: false, isShared: true },
    {
      ...deps,
      router: router as unknown as PartitionLifecycleDependencies['router'],
      rewinds: {
        await: () => undefined,
        settled: () => undefined,
      } as unknown as PartitionLifecycleDependencies['rewinds'],
      log: { timeOf: () => Promise.resolve(undefined) } as unknown as EventLog,
    },
  );
});

const claimed = (epoch: number, floor: number): Extract<HostToMain, { kind: 'claimed' }> => ({
  ...{ kind: 'claimed', partition: 0, epoch, stream: STREAM, applied: 0, created: false },
  position: { floor, above: [] },
  anchor: { sequence: 0, time: '' },
});

const answerNext = async (): Promise<void> => {
  asked.shift()!.answer(info);
  await clock.pass(0);
};

/** The partition is claimed, and the stream is being asked about it, when another node takes it and lets go of it again. */
async function lostAndBack(): Promise<{ readonly old: (typeof asked)[number]; readonly epoch: number }> {
  lifecycle.gain(0, undefined);
  await answerNext();
  expect(posted).toMatchObject([{ kind: 'claim', epoch: 1 }]);
  void lifecycle.claimed(claimed(1, 3));
  const old = asked.shift()!;
  const taken = await board.as('b', 'b-1').claim(0, 1);
  lifecycle.handover.lost(0, { node: 'b', epoch: taken!.epoch });
  lifecycle.gain(0, { epoch: taken!.epoch } as Parameters<typeof lifecycle.gain>[1]);
  await answerNext();
  expect(posted.at(-1)).toMatchObject({ kind: 'claim', epoch: 3 });
  return { old, epoch: 3 };
}

it('N3: a proof for an earlier claim that comes late starts nothing: the checkpoint may be another one by now', async () => {
  const { old, epoch } = await lostAndBack();
  old.answer(info);
  await clock.pass(0);
  expect(ran).toEqual([]);
  void lifecycle.claimed(claimed(epoch, 7));
  await answerNext();
  expect(ran).toEqual([7]);
});

it('N3: an earlier claim that fails late halts nothing', async () => {
  const { old, epoch } = await lostAndBack();
  old.fail(new Error('the stream was deleted'));
  await clock.pass(0);
  void lifecycle.claimed(claimed(epoch, 7));
  await answerNext();
  expect([ran, halted]).toEqual([[7], []]);
});
