/** From the log to the hosts: order, holes, credit, and what a host may be told (X1 to X6). */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/ports/clock.js';
import type { EventLog, Reading, ReadSink } from '../../src/ports/event-log.js';
import { BatchReader } from '../../src/protocol/batch.js';
import type { MainToHost } from '../../src/protocol/messages.js';
import { Router } from '../../src/runtime/router.js';

type Batch = Extract<MainToHost, { kind: 'batch' }>;

const none = new Uint8Array(0);
const nowhere = { sequence: 0, time: '' };

/** A router with one host, a log that delivers what the test says, and turns of the event loop that the test ends. */
class Stage implements EventLog, Clock {
  ms = 1_000;
  sinks: ReadSink[] = [];
  from: number[] = [];
  readonly posted: MainToHost[] = [];
  readonly holes: string[] = [];
  readonly reading: string[] = [];
  readonly #deferred: (() => void)[] = [];
  readonly router: Router;

  constructor(partitions = 2, inFlightBytesMax = 1e6) {
    this.router = new Router(
      { stream: 'EVENTS', index: 0, partitions, inFlightBytesMax },
      {
        log: this,
        clock: this,
        // The first byte of the subject says whose event it is.
        route: (subject) => subject[0]!,
        events: {
          hole: (first, last, lost) => this.holes.push(`${first} to ${last}: ${lost}`),
          failed: (error) => this.holes.push(error.message),
        },
        defer: (callback) => this.#deferred.push(callback),
      },
    );
    const link = { post: (message: MainToHost) => this.posted.push(message), terminate: async () => undefined };
    this.router.openLane(0, { ...link, exited: new Promise(() => undefined) });
  }

  now = (): number => this.ms;
  elapsed = (): number => this.ms;
  after = (): (() => void) => () => undefined;
  last = 0;
  info = (stream: string) => Promise.resolve({ stream, first: 1, last: this.last });
  timeOf = () => Promise.resolve(undefined);
  async read(_: string, from: number, sink: ReadSink): Promise<Reading> {
    this.from.push(from);
    this.sinks.push(sink);
    return {
      pause: () => this.reading.push('pause'),
      resume: () => this.reading.push('resume'),
      stop: async () => {
        this.reading.push('stop');
      },
    };
  }

  async run(partition: number, floor: number): Promise<void> {
    this.router.run({ partition, slot: 0, epoch: 1, position: { floor, above: [] }, anchor: nowhere, gap: [] });
    await this.router.rewind();
  }

  event(sequence: number, partition = 0, body = none, sink = this.sinks.at(-1)!): void {
    sink.event(sequence, 10_000 + sequence, 0, Uint8Array.of(partition), undefined, body);
  }

  /** Ends the turn; returns what was posted since the last one, batches as their sequences. */
  turn(): string[] {
    for (const callback of this.#deferred.splice(0)) callback();
    return this.posted.splice(0).map((message) => {
      if (message.kind === 'batch') return `batch ${sequencesOf(message)} up to ${message.anchor.sequence}`;
      if (message.kind === 'mark') return `mark ${message.anchor.sequence} at ${message.streamTime}`;
      return message.kind === 'run' ? `run ${message.partition}` : message.kind;
    });
  }
}

function sequencesOf({ buffer, length }: Batch): string {
  const reader = new BatchReader(buffer, length);
  const found: string[] = [];
  while (reader.next()) found.push(`${reader.partition}:${reader.sequence}`);
  return found.join(' ');
}

const batches = (said: readonly string[]): string[] => said.filter((one) => one.startsWith('batch'));

describe('Router', () => {
  it('X1: gives each partition its events in order, from its own floor on', async () => {
    const stage = new Stage();
    stage.router.run({ partition: 0, slot: 0, epoch: 1, position: { floor: 3, above: [] }, anchor: nowhere, gap: [] });
    await stage.run(1, 1);
    expect(stage.from).toEqual([2]);
    expect(stage.turn()).toEqual(['run 0', 'run 1']);
    for (const [sequence, partition] of [
      [2, 0],
      [3, 1],
      [4, 0],
      [5, 1],
    ] as const)
      stage.event(sequence, partition);
    expect(stage.turn()).toEqual(['batch 1:3 0:4 1:5 up to 5']);
  });

  it('X1: gives nothing again after a rewind for another partition', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    stage.event(1);
    stage.event(2);
    stage.turn();
    await stage.run(1, 0);
    stage.event(1);
    stage.event(2);
    stage.event(3);
    expect(batches(stage.turn())).toEqual(['batch 0:3 up to 3']);
  });

  it('X1: hears nothing more of a reading that was stopped', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    const old = stage.sinks[0]!;
    stage.event(1);
    await stage.run(1, 0);
    stage.turn();
    stage.event(2, 0, none, old);
    old.caughtUp();
    old.failed(new Error('old'));
    stage.ms += 1_000; // a mark would be due
    expect(stage.turn()).toEqual([]);
    expect(stage.holes).toEqual([]);
  });

  it('X2: a jump in the sequences is a hole for those who have not passed it, and is told before what follows', async () => {
    const stage = new Stage();
    stage.router.run({ partition: 0, slot: 0, epoch: 1, position: { floor: 9, above: [] }, anchor: nowhere, gap: [] });
    await stage.run(1, 0);
    stage.event(1, 1);
    stage.event(4, 1);
    expect(stage.holes).toEqual(['2 to 3: 1']);
    expect(batches(stage.turn())[0]).toBe('batch 1:1 up to 1');
  });

  it('X3: asks the log to wait above the bound, and to go on when the hosts have taken enough in', async () => {
    const stage = new Stage(2, 300_000);
    await stage.run(0, 0);
    stage.turn();
    const body = new Uint8Array(270_000);
    stage.event(1, 0, body);
    expect(stage.reading).toEqual([]);
    stage.event(2, 0, body);
    expect(stage.reading).toEqual(['pause']);
    const sent = stage.posted.filter((message): message is Batch => message.kind === 'batch');
    expect(sent).toHaveLength(2);
    for (const { buffer, length } of sent) stage.router.done(0, buffer, length);
    expect(stage.reading).toEqual(['pause', 'resume']);
    expect(stage.router.inFlightBytes).toBe(0);
  });

  it('X3: a bound below one full batch holds too, because batches are then smaller', async () => {
    const stage = new Stage(2, 2_000);
    await stage.run(0, 0);
    for (let sequence = 1; sequence <= 4; sequence++) stage.event(sequence, 0, new Uint8Array(600));
    expect(stage.reading).toEqual(['pause']);
    expect(batches(stage.turn())).toHaveLength(4);
  });

  it('X4: at the end of the stream its time goes on from proof to proof, not while the log is silent', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    stage.event(1);
    stage.sinks[0]!.caughtUp();
    stage.turn();
    stage.ms += 200;
    stage.sinks[0]!.caughtUp();
    expect(stage.turn()).toEqual(['mark 1 at 10201']);
    stage.ms += 60_000;
    stage.router.done(0, new ArrayBuffer(8), 0);
    expect(stage.turn()).toEqual(['mark 1 at 10201']);
  });

  it('X6: a tail that was lost between two readings is noticed at its event, before anything is passed', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    for (let sequence = 1; sequence <= 3; sequence++) stage.event(sequence);
    stage.turn();
    await stage.run(1, 0);
    stage.event(1);
    stage.event(2);
    stage.sinks.at(-1)!.event(3, 99_999, 0, Uint8Array.of(1), undefined, none);
    stage.event(4);
    expect(stage.holes).toEqual(['stream EVENTS: sequence 3 is no longer the event that was read there']);
    expect(batches(stage.turn()).join()).not.toContain('4');
  });

  it('X6: also at the end of a stream that is shorter now; one whose end was only removed goes on', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    for (let sequence = 1; sequence <= 3; sequence++) stage.event(sequence);
    await stage.run(1, 0);
    stage.last = 3;
    stage.sinks.at(-1)!.caughtUp();
    await new Promise(setImmediate);
    expect(stage.holes).toEqual([]);
    await stage.run(1, 0);
    stage.event(1);
    stage.last = 2;
    await stage.run(1, 0);
    stage.sinks.at(-1)!.caughtUp();
    await new Promise(setImmediate);
    expect(stage.holes).toEqual([]); // what was removed proves nothing any more
    stage.event(1);
    stage.event(2);
    await stage.run(1, 0);
    stage.last = 1;
    stage.sinks.at(-1)!.caughtUp();
    await new Promise(setImmediate);
    expect(stage.holes).toEqual(['stream EVENTS: sequence 2 is no longer the event that was read there']);
  });

  it('X6: hosts know how far it was read before it is read again, also those that had no event of it', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    stage.event(1, 0);
    expect(stage.turn()).toEqual(['run 0', 'batch 0:1 up to 1']);
    for (const sequence of [2, 3]) stage.event(sequence, 1);
    await stage.run(1, 0);
    expect(stage.turn()).toEqual(['mark 3 at 10003', 'run 1']);
  });

  it('X6: a start names the event that its checkpoint was made from', async () => {
    const stage = new Stage();
    const anchor = { sequence: 2, time: '10002000000' };
    stage.router.run({ partition: 0, slot: 0, epoch: 1, position: { floor: 2, above: [] }, anchor, gap: [] });
    await stage.router.rewind();
    expect(stage.from).toEqual([2]);
    stage.event(2);
    stage.event(3);
    expect(stage.holes).toEqual([]);
    expect(batches(stage.turn())).toEqual(['batch 0:3 up to 3']);
  });

  it('X5: a partition starts between two readings, after everything of the old one', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    stage.turn();
    stage.router.run({ partition: 1, slot: 0, epoch: 1, position: { floor: 0, above: [] }, anchor: nowhere, gap: [] });
    stage.event(1, 0);
    expect(stage.turn()).toEqual(['batch 0:1 up to 1']);
    stage.event(2, 0);
    await stage.router.rewind();
    expect(stage.turn()).toEqual(['batch 0:2 up to 2', 'run 1']);
    expect(stage.from).toEqual([1, 1]);
  });

  it('X6: nobody misses what no running partition has had, as after a thread that is lost', async () => {
    const stage = new Stage();
    await stage.run(0, 0);
    for (const sequence of [1, 2, 3]) stage.event(sequence);
    stage.router.halt(0);
    await stage.run(1, 1);
    stage.event(2, 1);
    stage.sinks.at(-1)!.event(3, 99_000, 0, Uint8Array.of(1), undefined, none);
    expect(stage.holes).toEqual([]);
    expect(stage.turn().join()).toContain('1:2 1:3');
  });
});
