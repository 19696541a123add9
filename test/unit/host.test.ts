/** A host whose messages wait: what was meant for a claim that it no longer has (T4). */
import { Buffer } from 'node:buffer';
import { beforeEach, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { Host } from '../../src/host/host.js';
import { BatchWriter } from '../../src/protocol/batch.js';
import type { HostToMain, MainToHost } from '../../src/protocol/messages.js';
import { baseOptions, type Log } from '../property/actor-stream.js';
import { HandClock } from '../support/hand-clock.js';
import { formatOf, T0 } from './raw-events.js';

const STREAM = 'EVENTS';

let store: MemoryCheckpointStore;
let clock: HandClock;
let said: HostToMain[];
let turns: (() => void)[];
let host: Host;

const handler: Handler<Log> = {
  name: 'log',
  initial: () => [],
  apply: (log, _, { streamSequence }) => [...log, streamSequence],
};

beforeEach(() => {
  store = new MemoryCheckpointStore();
  clock = new HandClock();
  said = [];
  turns = [];
  host = new Host(
    {
      slot: 0,
      chains: [[{ stream: STREAM, base: 0 }]],
      actor: { ...baseOptions, order: 'none', layout: { ...baseOptions.layout, partitions: 1 } },
      decoder: {
        format: formatOf(),
        limits: { payloadBytesMax: 1_000, headerBytesMax: 1_000 },
        ...{ idRequired: true, partitions: 1, checkPartition: false },
      },
      checkpointMs: 1_000,
      checkpointBytes: 1_000_000,
    },
    {
      ...{ store, clock, handler: handler as Handler, log: () => undefined },
      post: (message) => said.push(message),
      defer: (callback) => turns.push(callback),
      nonce: () => 'a'.repeat(32),
      heapBytes: () => 0,
    },
  );
});

/** Everything that waits in the queue is acted on. */
async function work(): Promise<void> {
  for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
    turn();
    await clock.pass(0);
  }
}

async function claim(epoch: number): Promise<void> {
  host.receive({ kind: 'claim', partition: 0, epoch, origin: undefined, first: 1, acceptGap: false });
  await clock.pass(0);
  expect(said.at(-1)).toMatchObject({ kind: 'claimed', epoch });
}

const run = (epoch: number, floor: number): MainToHost => ({
  ...{ kind: 'run', partition: 0, epoch, position: { floor, above: [] }, gap: [] },
  anchor: { sequence: 0, time: '' },
});

function batch(...sequences: readonly number[]): MainToHost {
  const writer = new BatchWriter(new ArrayBuffer(1_024));
  for (const sequence of sequences) {
    const body = Buffer.from(JSON.stringify({ id: `e${sequence}`, data: 0 }));
    writer.add(0, sequence, T0 + sequence, Buffer.from('events.a'), undefined, body);
  }
  const { buffer, length, count } = writer.take();
  const last = sequences.at(-1)!;
  const anchor = { sequence: last, time: `${T0 + last}000000` };
  return { kind: 'batch', stream: 0, buffer, length, count, anchor, streamTime: T0 + last };
}

/** The partition is claimed and told something, which waits; it is lost, and claimed again. */
async function claimedAgain(waiting: MainToHost): Promise<void> {
  await claim(1);
  host.receive(waiting);
  host.receive({ kind: 'halt', partition: 0, fault: { code: 'FENCED', message: 'another node has it', problems: [] } });
  await claim(3);
}

async function stored(): Promise<unknown> {
  host.receive({ kind: 'drain' });
  await clock.pass(0);
  await work();
  const [text] = await store.loadStates(0, ['a']);
  return text === undefined ? undefined : (JSON.parse(text) as { state: unknown }).state;
}

it('T4: does not run a partition from the position of an earlier claim: what came after it is in the checkpoint', async () => {
  await claimedAgain(run(1, 0));
  host.receive(run(3, 7));
  host.receive(batch(5, 8));
  await work();
  expect(await stored()).toEqual([8]);
});

it('T4: does not let go of a partition because an earlier claim of it was to be let go of', async () => {
  await claimedAgain({ kind: 'release', partition: 0, epoch: 1 });
  host.receive(run(3, 7));
  host.receive(batch(8));
  await work();
  expect(await stored()).toEqual([8]);
});
