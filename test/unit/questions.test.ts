/** Dead letters that are left of a checkpoint that was lost: their events are decided once more, and once only (O1). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { decodeRecord } from '../../src/core/checkpoint/record.js';
import { MillraceError } from '../../src/errors.js';
import { claimPartition } from '../../src/host/claim.js';
import { EventDecoder } from '../../src/host/event-decoder.js';
import { EventWaits } from '../../src/host/event-waits.js';
import { HostedPartition } from '../../src/host/hosted-partition.js';
import { answer } from '../../src/host/questions.js';
import type { Change } from '../../src/protocol/messages.js';
import { baseOptions, type Log, streamEvent, T0 } from '../property/actor-stream.js';
import { formatOf } from './raw-events.js';

const options = { ...baseOptions, order: 'none', layout: { ...baseOptions.layout, partitions: 1 } } as const;
const stream = [1, 2].map((n) => streamEvent(n, T0 + n, { key: 'a', id: `e${n}` }));
const decoder = new EventDecoder({
  format: formatOf(),
  limits: { payloadBytesMax: 1_000, headerBytesMax: 1_000 },
  idRequired: true,
  partitions: 1,
  checkPartition: false,
});

let store: MemoryCheckpointStore;
/** Sequences that the handler refuses. */
let refused: readonly number[];
let epoch = 0;

beforeEach(() => {
  store = new MemoryCheckpointStore();
  refused = [];
});

const handler: Handler<Log> = {
  name: 'log',
  initial: () => [],
  apply(log, _, { streamSequence }) {
    if (refused.includes(streamSequence)) throw new Error('refused');
    return [...log, streamSequence];
  },
};

async function claimed(): Promise<HostedPartition> {
  const found = await claimPartition(store, {
    ...{ partition: 0, epoch: ++epoch, nonce: 'aa', origin: 1, first: 1, acceptGap: false, now: 0 },
    chain: [{ stream: 'EVENTS', base: 0 }],
    layout: options.layout,
  });
  const partition = new HostedPartition(
    {
      ...{ store, clock: systemClock, options, handler: handler as Handler },
      post: () => undefined,
      decodeParked: () => stream[0]!,
      log: () => undefined,
      committed: () => undefined,
      eased: () => undefined,
    },
    found,
  );
  partition.run(found.record.position, found.record.anchor, []);
  return partition;
}

const read = (partition: HostedPartition): void => {
  for (const { raw, decoded } of stream) partition.actor?.offer(raw, decoded);
};

const ask = (partition: HostedPartition, change: Change) =>
  answer(partition, change, { store, clock: systemClock, decoder, waits: new EventWaits(systemClock) });

const letters = async (): Promise<number[]> =>
  (await store.deadLetters(0, 0, 10)).map((text) => (JSON.parse(text) as { sequence: number }).sequence);

const storedLog = async (): Promise<unknown> => JSON.parse((await store.loadStates(0, ['a']))[0] ?? '{}').state;

async function lettersCounted(): Promise<number | undefined> {
  const decoded = decodeRecord((await store.read(0))!.record);
  return decoded.kind === 'record' ? decoded.record.deadStored : undefined;
}

/** A new incarnation after the record was lost, with the letter of event 1 still there. */
async function rebuilding(): Promise<HostedPartition> {
  refused = [1];
  const first = await claimed();
  read(first);
  await first.flush();
  expect(await letters()).toEqual([1]);
  await first.stop(new MillraceError('FENCED', 'the record is lost'), false);
  store.loseRecord(0);
  return claimed();
}

describe('a dead letter that is left of a lost checkpoint', () => {
  it.each(['replay-letter', 'discard-letter'] as const)(
    'is no use before its event is read again: %s',
    async (kind) => {
      const partition = await rebuilding();
      expect(await ask(partition, { kind, sequence: 1, body: undefined })).toMatchObject({
        kind: 'fault',
        fault: { code: 'REQUEST_INVALID', message: expect.stringContaining('event 1 will be decided once more') },
      });
      read(partition);
      expect(await ask(partition, { kind: 'discard-letter', sequence: 1 })).toMatchObject({ kind: 'changed' });
      expect([await letters(), await lettersCounted(), await storedLog()]).toEqual([[], 0, [2]]);
    },
  );

  it('is not applied where its event has been since, and can be skipped', async () => {
    const partition = await rebuilding();
    refused = [];
    read(partition);
    expect(await ask(partition, { kind: 'replay-letter', sequence: 1, body: undefined })).toMatchObject({
      kind: 'fault',
      fault: { code: 'REQUEST_INVALID', message: expect.stringContaining('event 1 has been applied since') },
    });
    expect(await ask(partition, { kind: 'discard-letter', sequence: 1 })).toMatchObject({ kind: 'changed' });
    // It was counted by the record that is lost, not by this one.
    expect([await letters(), await lettersCounted(), await storedLog()]).toEqual([[], 0, [1, 2]]);
  });
});
