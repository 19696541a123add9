/** What every event log does, whatever it is made of. Titles cite the contract of the port (src/ports/event-log.ts). */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EventLog, EventSink, Reading } from '../../src/ports/event-log.js';
import { RecordingSink, range } from '../support/recording-sink.js';

/** One event as any publisher may store it. */
export interface RawEvent {
  /** Token below the prefix of the stream. */
  readonly token: string;
  readonly headers?: Uint8Array;
  readonly body: Uint8Array;
}

/** A stream that only one test uses, and what administrators and publishers do to it. */
export interface LogStream {
  readonly log: EventLog;
  readonly sink: EventSink;
  readonly name: string;
  /** Subjects of the stream begin with it, dot included. */
  readonly prefix: string;
  store(event: RawEvent): Promise<number>;
  /** Stores many small events fast. */
  storeMany(count: number): Promise<void>;
  remove(sequence: number): Promise<void>;
  purge(first: number): Promise<void>;
  deleteStream(): Promise<void>;
}

export interface LogHarness {
  /** How many events may still arrive after a pause. */
  readonly requestedMax: number;
  newStream(): Promise<LogStream>;
  close(): Promise<void>;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const code = (expected: string): object => expect.objectContaining({ code: expected });

export function eventLogContract(title: string, open: () => Promise<LogHarness>): void {
  describe(title, () => {
    let harness: LogHarness;
    let stream: LogStream;
    let log: EventLog;

    beforeAll(async () => {
      harness = await open();
    });
    afterAll(() => harness?.close());
    beforeEach(async () => {
      stream = await harness.newStream();
      log = stream.log;
    });

    const reading = async (from: number, sink: RecordingSink, run: (reading: Reading) => Promise<void>) => {
      const started = await log.read(stream.name, from, sink);
      try {
        await run(started);
      } finally {
        await started.stop();
      }
    };

    describe('info and timeOf', () => {
      it('count from 1, also where nothing is stored', async () => {
        expect(await log.info(stream.name)).toEqual({ stream: stream.name, first: 1, last: 0 });
        await stream.storeMany(3);
        expect(await log.info(stream.name)).toEqual({ stream: stream.name, first: 1, last: 3 });
        await stream.purge(3);
        expect(await log.info(stream.name)).toEqual({ stream: stream.name, first: 3, last: 3 });
        await stream.remove(3);
        expect(await log.info(stream.name)).toEqual({ stream: stream.name, first: 4, last: 3 });
      });

      it('know no time of what is not stored', async () => {
        await stream.storeMany(2);
        await stream.remove(1);
        expect(await log.timeOf(stream.name, 1)).toBeUndefined();
        expect(await log.timeOf(stream.name, 2)).toMatch(/^\d{19}$/);
        expect(await log.timeOf(stream.name, 3)).toBeUndefined();
      });

      it('say STREAM_MISSING where there is no stream', async () => {
        const nobody = new RecordingSink();
        await expect(log.info('NOBODY')).rejects.toEqual(code('STREAM_MISSING'));
        await expect(log.timeOf('NOBODY', 1)).rejects.toEqual(code('STREAM_MISSING'));
        await expect(log.read('NOBODY', 1, nobody)).rejects.toEqual(code('STREAM_MISSING'));
        await expect(log.read('NOBODY', 7, nobody)).rejects.toEqual(code('STREAM_MISSING'));
        expect(nobody).toMatchObject({ sequences: [], caughtUps: 0, failure: undefined });
      });
    });

    describe('E1: read', () => {
      it.each([1, 2, 30, 31])('delivers all of 30 events from %i on, and what is stored later', async (from) => {
        await stream.storeMany(30);
        const sink = new RecordingSink();
        await reading(from, sink, async () => {
          await sink.reached(31 - from);
          await stream.storeMany(5);
          await sink.reached(36 - from);
        });
        expect(sink.sequences).toEqual(range(from, 35));
        expect(sink.failure).toBeUndefined();
      });

      it('brings subject, headers and body byte for byte, and the time that timeOf answers', async () => {
        const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
        const headers = utf8('NATS/1.0\r\nX-Id: 1\r\nx-low: 1 , 2\r\nX-Low: ü\r\n\r\n');
        const sent: RawEvent[] = [
          { token: 'plain', body: utf8('{"a":1}') },
          { token: 'kö%2Ey-账', headers, body: binary },
          { token: 'empty', body: new Uint8Array(0) },
          { token: 'empty', headers, body: new Uint8Array(0) },
          { token: 'large', headers, body: new Uint8Array(1_000_000).map((_, index) => index * 7) },
          { token: 'after', body: utf8('\r\n+OK\r\nMSG x 1 5\r\n') },
        ];
        for (const event of sent) await stream.store(event);
        const sink = new RecordingSink();
        await reading(1, sink, () => sink.reached(sent.length));
        for (const [index, event] of sent.entries()) {
          const received = sink.events[index]!;
          expect(received.sequence).toBe(index + 1);
          expect(new TextDecoder().decode(received.subject)).toBe(stream.prefix + event.token);
          expect(received.headers).toEqual(event.headers);
          expect(Buffer.compare(received.body, event.body)).toBe(0);
          expect(await log.timeOf(stream.name, index + 1)).toBe(received.time);
        }
      });

      it('begins at the first stored event where the start is purged', async () => {
        await stream.storeMany(10);
        await stream.purge(6);
        const sink = new RecordingSink();
        await reading(2, sink, () => sink.reached(5));
        expect(sink.sequences).toEqual(range(6, 10));
      });

      it('refuses a start beyond the next number with REGRESSION: nobody can have read up to there', async () => {
        await stream.storeMany(3);
        await expect(log.read(stream.name, 5, new RecordingSink())).rejects.toEqual(code('REGRESSION'));
      });

      it('keeps readings of one stream apart', async () => {
        await stream.storeMany(20);
        const [first, second] = [new RecordingSink(), new RecordingSink()];
        await reading(1, first, () => reading(11, second, () => first.reached(20).then(() => second.reached(10))));
        expect(first.sequences).toEqual(range(1, 20));
        expect(second.sequences).toEqual(range(11, 20));
      });

      it('says that it has caught up, also with nothing stored, and again for as long as that is true', async () => {
        const sink = new RecordingSink();
        await reading(1, sink, async () => {
          await sink.idled(3);
          await stream.storeMany(2);
          await sink.reached(2);
          await sink.idled(3);
        });
        expect(sink.sequences).toEqual([1, 2]);
      });

      it('does not say so before everything stored is delivered', async () => {
        await stream.storeMany(500);
        const sink = new RecordingSink();
        const early: number[] = [];
        sink.onEvent = (sequence) => sink.caughtUps > 0 && early.push(sequence);
        await reading(1, sink, () => sink.idled());
        expect(sink.sequences).toEqual(range(1, 500));
        expect(early).toEqual([]);
      });

      it('fails with BUG where the sink throws, and delivers nothing more', async () => {
        await stream.storeMany(5);
        const sink = new RecordingSink();
        sink.onEvent = (sequence) => {
          if (sequence === 3) throw new Error('no room');
        };
        await reading(1, sink, async () => expect(await sink.ended()).toMatchObject({ code: 'BUG' }));
        expect(sink.sequences).toEqual([1, 2, 3]);
        const after = new RecordingSink();
        await reading(1, after, () => after.reached(5));
      });
    });

    it('E2: a hole shows as a jump', async () => {
      await stream.storeMany(9);
      for (const sequence of [4, 5, 8]) await stream.remove(sequence);
      const sink = new RecordingSink();
      await reading(3, sink, () => sink.reached(4));
      expect(sink.sequences).toEqual([3, 6, 7, 9]);
      const inside = new RecordingSink();
      await reading(5, inside, () => inside.reached(3));
      expect(inside.sequences).toEqual([6, 7, 9]);
    });

    describe('E3: pause', () => {
      it('stops all but what was requested, and resume goes on without loss or repeat', async () => {
        const total = harness.requestedMax * 2 + 500;
        await stream.storeMany(total);
        const sink = new RecordingSink({ bytes: false });
        await reading(1, sink, async (paused) => {
          sink.onEvent = () => paused.pause();
          await sink.reached(1);
          // Whatever the paused reading still gets has arrived when a second one has read everything.
          const probe = new RecordingSink({ bytes: false });
          await reading(1, probe, () => probe.reached(total));
          expect(sink.sequences.length).toBeLessThanOrEqual(harness.requestedMax);
          sink.onEvent = () => {};
          paused.resume();
          await sink.reached(total);
        });
        expect(sink.sequences).toEqual(range(1, total));
      });

      it('before the first event holds until resume', async () => {
        const sink = new RecordingSink();
        await reading(1, sink, async (paused) => {
          paused.pause();
          await stream.storeMany(3);
          paused.resume();
          await sink.reached(3);
        });
        expect(sink.sequences).toEqual([1, 2, 3]);
      });
    });

    describe('E4: a reading ends', () => {
      it('with stop, after which nothing more arrives', async () => {
        await stream.storeMany(3);
        const [stopped, other] = [new RecordingSink(), new RecordingSink()];
        await reading(1, stopped, () => stopped.reached(3));
        const reports = stopped.caughtUps;
        await reading(1, other, async () => {
          await stream.storeMany(3);
          await other.reached(6);
          await other.idled(2);
        });
        expect(stopped.sequences).toEqual([1, 2, 3]);
        expect(stopped).toMatchObject({ caughtUps: reports, failure: undefined });
      });

      it('with stop from inside an event', async () => {
        await stream.storeMany(50);
        const sink = new RecordingSink();
        await reading(1, sink, async (own) => {
          sink.onEvent = (sequence) => sequence === 10 && void own.stop();
          await sink.reached(10);
        });
        expect(sink.sequences).toEqual(range(1, 10));
      });

      it('with failed(STREAM_MISSING) when the stream is deleted', async () => {
        await stream.storeMany(3);
        const sink = new RecordingSink();
        await reading(1, sink, async () => {
          await sink.reached(3);
          await stream.deleteStream();
          expect(await sink.ended()).toMatchObject({ code: 'STREAM_MISSING' });
        });
        expect(sink.sequences).toEqual([1, 2, 3]);
      });
    });

    describe('append', () => {
      it('answers where the event is, and the same for its id again', async () => {
        const subject = `${stream.prefix}key`;
        const first = await stream.sink.append({ subject, id: 'id-1', body: utf8('one') });
        const other = await stream.sink.append({ subject, id: 'id-2', body: utf8('two') });
        const again = await stream.sink.append({ subject, id: 'id-1', body: utf8('one') });
        expect([first, other, again]).toEqual([
          { stream: stream.name, sequence: 1, duplicate: false },
          { stream: stream.name, sequence: 2, duplicate: false },
          { stream: stream.name, sequence: 1, duplicate: true },
        ]);
        const sink = new RecordingSink();
        await reading(1, sink, () => sink.reached(2));
        expect(sink.events.map(({ headers }) => new TextDecoder().decode(headers))).toEqual([
          'NATS/1.0\r\nNats-Msg-Id: id-1\r\n\r\n',
          'NATS/1.0\r\nNats-Msg-Id: id-2\r\n\r\n',
        ]);
      });

      it('E5: refuses an id and a trace with a line break, and stores nothing of them', async () => {
        const event = { subject: `${stream.prefix}key`, id: 'id', body: utf8('x') };
        const forged = 'a\r\nNats-Rollup: all';
        for (const wrong of [{ id: forged }, { id: 'a\nb' }, { trace: { traceparent: forged } }])
          await expect(stream.sink.append({ ...event, ...wrong })).rejects.toEqual(code('REQUEST_INVALID'));
        expect(await stream.sink.append(event)).toMatchObject({ sequence: 1, duplicate: false });
      });

      it('says STREAM_MISSING where no stream takes the subject', async () => {
        const event = { subject: 'nobody.takes.this', id: 'id', body: utf8('x') };
        await expect(stream.sink.append(event)).rejects.toEqual(code('STREAM_MISSING'));
      });
    });
  });
}
