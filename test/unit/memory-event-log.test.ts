/** What the reference model has beyond the contract: time and deliveries in the caller's hands, and the faults of a log. */
import { describe, expect, it } from 'vitest';
import { MemoryEventLog, type MemoryEventLogOptions } from '../../src/adapters/memory/memory-event-log.js';
import type { Clock } from '../../src/ports/clock.js';
import { RecordingSink, range } from '../support/recording-sink.js';

const body = new Uint8Array([1, 2, 3]);

/** A log whose deliveries wait in `tasks` and whose clock moves only by hand. */
function setUp(options: Partial<MemoryEventLogOptions> = {}) {
  const tasks: (() => void)[] = [];
  const time = { ms: 1_000 };
  const clock: Clock = { now: () => time.ms, elapsed: () => time.ms, after: () => () => {} };
  const log = new MemoryEventLog({ clock, deliver: (task) => void tasks.push(task), ...options });
  log.createStream('S');
  const store = (count: number): void => {
    for (let n = 0; n < count; n++) log.store('S', { subject: 'k', body });
  };
  const deliver = (): void => {
    for (const task of tasks.splice(0)) task();
  };
  return { log, tasks, time, store, deliver };
}

const append = (log: MemoryEventLog, id: string) => log.append({ subject: 'k', id, body });

describe('time and deliveries', () => {
  it('are the caller’s: nothing is delivered before the scheduler says so', async () => {
    const { log, tasks, store, deliver } = setUp();
    store(3);
    const sink = new RecordingSink();
    await log.read('S', 1, sink);
    expect(tasks).toHaveLength(1);
    expect(sink.sequences).toEqual([]);
    deliver();
    expect(sink.sequences).toEqual([1, 2, 3]);
    expect(sink.caughtUps).toBe(1);
  });

  it('can be at once', async () => {
    const { log, store } = setUp({ deliver: (task) => task() });
    const sink = new RecordingSink();
    await log.read('S', 1, sink);
    store(200);
    expect(sink.sequences).toEqual(range(1, 200));
  });

  it('has timestamps from the clock or the caller, never the same twice', async () => {
    const { log, time, store } = setUp();
    store(2);
    time.ms = 2_000;
    store(1);
    log.store('S', { subject: 'k', body, timeMs: 5, timeNanos: 7 });
    const times = await Promise.all([1, 2, 3, 4].map((sequence) => log.timeOf('S', sequence)));
    expect(times).toEqual(['1000000000', '1000000001', '2000000002', '5000007']);
  });

  it('destroys the bytes of an event after the call that lends them', async () => {
    const { log, store, deliver } = setUp();
    store(1);
    const lent: Uint8Array[] = [];
    const sink = new RecordingSink();
    const event = (
      _sequence: number,
      _ms: number,
      _nanos: number,
      _subject: Uint8Array,
      _headers: unknown,
      b: Uint8Array,
    ) => void lent.push(b);
    await log.read('S', 1, { event, caughtUp: () => {}, failed: (error) => sink.failed(error) });
    deliver();
    expect(lent).toEqual([new Uint8Array([0xff, 0xff, 0xff])]);
  });
});

describe('duplicates', () => {
  it('are known within the window of the clock, also when the event is gone', async () => {
    const { log, time } = setUp({ duplicateWindowMs: 100 });
    await append(log, 'a');
    log.remove('S', 1);
    time.ms += 99;
    expect(await append(log, 'a')).toEqual({ stream: 'S', sequence: 1, duplicate: true });
    time.ms += 1;
    expect(await append(log, 'a')).toEqual({ stream: 'S', sequence: 2, duplicate: false });
  });

  it('are forgotten with the tail, and never known where the window is 0', async () => {
    const { log } = setUp();
    await append(log, 'a');
    await append(log, 'b');
    log.loseTail('S', 1);
    expect(await append(log, 'b')).toMatchObject({ sequence: 2, duplicate: false });
    expect(await append(log, 'a')).toMatchObject({ sequence: 1, duplicate: true });
    const { log: without } = setUp({ duplicateWindowMs: 0 });
    await append(without, 'a');
    expect(await append(without, 'a')).toMatchObject({ sequence: 2, duplicate: false });
  });

  it('are not looked for in other streams', async () => {
    const { log } = setUp();
    log.deleteStream('S');
    log.createStream('A', (subject) => subject === 'a');
    log.createStream('B', (subject) => subject === 'b');
    const [first, second] = await Promise.all(['a', 'b'].map((subject) => log.append({ subject, id: 'x', body })));
    expect([first, second]).toMatchObject([{ stream: 'A' }, { stream: 'B', duplicate: false }]);
  });
});

describe('a lost tail', () => {
  it.each([0, 5, 20])('that was read ends the reading before any of %i new events is delivered', async (again) => {
    const { log, store, deliver } = setUp();
    store(20);
    const sink = new RecordingSink();
    await log.read('S', 1, sink);
    deliver();
    log.loseTail('S', 15);
    store(again);
    deliver();
    expect(sink.failure).toMatchObject({ code: 'REGRESSION' });
    expect(sink.sequences).toEqual(range(1, 20));
  });

  it('that was not read is not noticed', async () => {
    const { log, store, deliver } = setUp();
    store(15);
    const sink = new RecordingSink();
    await log.read('S', 1, sink);
    deliver();
    store(5);
    log.loseTail('S', 15);
    store(6);
    deliver();
    expect(sink.sequences).toEqual(range(1, 21));
    expect(sink.failure).toBeUndefined();
  });

  it('ends a reading that has delivered nothing but began behind it', async () => {
    const { log, store, deliver } = setUp();
    store(20);
    const sink = new RecordingSink();
    await log.read('S', 21, sink);
    log.loseTail('S', 15);
    store(10);
    deliver();
    expect(sink).toMatchObject({ sequences: [], failure: { code: 'REGRESSION' } });
  });

  it('is what a stream that was created anew looks like', async () => {
    const { log, store, deliver } = setUp();
    store(2);
    const sink = new RecordingSink();
    await log.read('S', 1, sink);
    deliver();
    log.deleteStream('S');
    log.createStream('S');
    store(5);
    deliver();
    expect(sink).toMatchObject({ sequences: [1, 2], failure: { code: 'REGRESSION' } });
  });
});
