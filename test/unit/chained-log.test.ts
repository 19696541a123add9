/** One log out of the streams that a partition was in, under the reference model of logs (J1, J2). */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import { ChainedLog } from '../../src/runtime/chained-log.js';
import { RecordingSink, range } from '../support/recording-sink.js';
import { until } from '../support/until.js';

const body = new Uint8Array([1]);
const clock = { now: () => 1_000, elapsed: () => 1_000, after: () => () => undefined };
const chain = [
  { stream: 'OLD', base: 0 },
  { stream: 'MID', base: 5 },
  { stream: 'NEW', base: 5 },
];

let log: MemoryEventLog;
let chained: ChainedLog;
let sink: RecordingSink;

beforeEach(() => {
  log = new MemoryEventLog({ clock, deliver: (task) => setImmediate(task) });
  for (const name of ['OLD', 'MID', 'NEW', 'OTHER']) log.createStream(name);
  store('OLD', 5);
  store('NEW', 4);
  chained = new ChainedLog(log, [chain]);
  sink = new RecordingSink();
});

function store(stream: string, count: number): void {
  for (let n = 0; n < count; n++) log.store(stream, { subject: `${stream}.${n}`, body });
}

const readTo = (last: number): Promise<void> => until(() => sink.sequences.at(-1) === last, 5_000, `event ${last}`);

describe('a chain', () => {
  it('is read from any position to its end, an empty stream in it or not, and says once it is caught up', async () => {
    const reading = await chained.read('NEW', 1, sink);
    await readTo(9);
    expect(sink.sequences).toEqual(range(1, 9));
    await until(() => sink.caughtUps > 0, 5_000, 'the end');
    store('NEW', 1);
    await readTo(10);
    await reading.stop();
    for (const from of [3, 5, 6, 8]) {
      sink = new RecordingSink();
      const other = await chained.read('NEW', from, sink);
      await readTo(10);
      expect(sink.sequences).toEqual(range(from, 10));
      await other.stop();
    }
  });

  it('has the first and the last position, and the times of both sides', async () => {
    expect(await chained.info('NEW')).toEqual({ stream: 'NEW', first: 1, last: 9 });
    expect(await chained.timeOf('NEW', 5)).toBe(await log.timeOf('OLD', 5));
    expect(await chained.timeOf('NEW', 6)).toBe(await log.timeOf('NEW', 1));
    log.purge('OLD', 4);
    expect((await chained.info('NEW')).first).toBe(4);
    expect(await chained.timeOf('NEW', 3)).toBeUndefined();
  });

  it('does without a stream that was deleted: what was in it is no longer counted', async () => {
    log = new MemoryEventLog({ clock, deliver: (task) => setImmediate(task) });
    log.createStream('NEW');
    store('NEW', 4);
    chained = new ChainedLog(log, [chain]);
    expect(await chained.info('NEW')).toEqual({ stream: 'NEW', first: 6, last: 9 });
    expect(await chained.timeOf('NEW', 2)).toBeUndefined();
    const reading = await chained.read('NEW', 6, sink);
    await readTo(9);
    expect(sink.sequences).toEqual(range(6, 9));
    await reading.stop();
  });

  it('J2: shows what is gone at the end of an earlier stream as a jump', async () => {
    log.remove('OLD', 5);
    const reading = await chained.read('NEW', 2, sink);
    await readTo(9);
    expect(sink.sequences).toEqual([2, 3, 4, 6, 7, 8, 9]);
    await reading.stop();
  });

  it('J1: is not read where an earlier stream took events after it was left', async () => {
    store('OLD', 1);
    await expect(chained.info('NEW')).rejects.toMatchObject({ code: 'STREAM_AMBIGUOUS' });
    await expect(chained.read('NEW', 1, sink)).rejects.toMatchObject({ code: 'STREAM_AMBIGUOUS' });
    expect(sink.sequences).toEqual([]);
  });

  it('leaves streams of no chain as they are', async () => {
    store('OTHER', 2);
    expect(await chained.info('OTHER')).toEqual({ stream: 'OTHER', first: 1, last: 2 });
    const reading = await chained.read('OTHER', 2, sink);
    await readTo(2);
    expect(sink.sequences).toEqual([2]);
    await reading.stop();
  });

  it('can be paused at any place and stopped at once', async () => {
    const reading = await chained.read('NEW', 1, sink);
    reading.pause();
    reading.resume();
    await readTo(9);
    await reading.stop();
    store('NEW', 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.sequences).toEqual(range(1, 9));
  });
});
