/** A reading that does not see the end of its stream: noticed, and read again. */
import { expect, it } from 'vitest';
import type { Clock } from '../../src/ports/clock.js';
import type { EventLog, ReadSink } from '../../src/ports/event-log.js';
import { StreamRouters } from '../../src/runtime/stream-routers.js';

const none = new Uint8Array(0);

/** A log whose readings bring three events and then nothing more, whatever the stream holds. */
class Stage {
  last = 3;
  isStored = true;
  readonly sinks: ReadSink[] = [];
  readonly hidden: string[] = [];
  rewinds = 0;
  readonly routers: StreamRouters;

  constructor() {
    const log: EventLog = {
      info: async (stream) => ({ stream, first: 1, last: this.last }),
      timeOf: async () => (this.isStored ? '1000000000' : undefined),
      read: async (_, __, sink) => {
        this.sinks.push(sink);
        return { pause: () => undefined, resume: () => undefined, stop: async () => undefined };
      },
    };
    const clock: Clock = { now: () => 0, elapsed: () => 0, after: () => () => undefined };
    this.routers = new StreamRouters(
      { chains: [[{ stream: 'EVENTS', base: 0 }]], partitions: 1, inFlightBytesMax: 1e6 },
      {
        line: (_, event, fields) => this.hidden.push(`${event} ${Object.values(fields).join(' ')}`),
        ...{ log, clock, routes: [() => 0], defer: () => undefined },
        events: {
          hole: () => undefined,
          failed: () => undefined,
          hidden: () => this.rewinds++,
        },
      },
    );
  }

  async start(): Promise<void> {
    const link = {
      post: () => undefined,
      terminate: async () => undefined,
      exited: new Promise<undefined>(() => undefined),
    };
    this.routers.openLane(0, link);
    this.routers.run({
      partition: 0,
      slot: 0,
      epoch: 1,
      position: { floor: 0, above: [] },
      anchor: { sequence: 0, time: '' },
      gap: [],
    });
    await this.routers.rewind();
    for (let n = 1; n <= 3; n++) this.sinks[0]!.event(n, 1, 0, none, undefined, none);
    this.sinks[0]!.caughtUp();
  }

  async look(times: number): Promise<void> {
    for (let n = 0; n < times; n++) await this.routers.follow();
  }
}

it('is said after ten looks at the same place, and then less often; a rewind makes another reading', async () => {
  const stage = new Stage();
  await stage.start();
  await stage.look(50);
  expect(stage.hidden).toEqual([]);
  stage.last = 5;
  await stage.look(9);
  expect(stage.hidden).toEqual([]);
  await stage.look(1);
  expect(stage.hidden).toEqual(['log.behind EVENTS 3 5']);
  expect(stage.rewinds).toBe(1);
  await stage.routers.rewind();
  expect(stage.sinks).toHaveLength(2);
  await stage.routers.rewind();
  expect(stage.sinks).toHaveLength(2);
  stage.sinks[1]!.caughtUp();
  await stage.look(19);
  expect(stage.hidden).toHaveLength(1);
  await stage.look(1);
  expect(stage.hidden).toHaveLength(2);
});

it('is no matter where the last events were deleted, or are still coming', async () => {
  const stage = new Stage();
  await stage.start();
  stage.last = 5;
  await stage.look(9);
  stage.sinks[0]!.event(4, 1, 0, none, undefined, none);
  stage.sinks[0]!.caughtUp();
  await stage.look(9);
  expect(stage.hidden).toEqual([]);
  stage.isStored = false;
  await stage.look(50);
  expect(stage.hidden).toEqual([]);
});
