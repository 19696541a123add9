/** The cutter against the client library's own parser (F1 to F3 of src/adapters/nats/frame-cutter.ts). */
import { Buffer } from 'node:buffer';
import { Kind, Parser } from '@nats-io/nats-core/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Frame } from '../../src/adapters/nats/frame-cutter.js';
import { FrameCutter } from '../../src/adapters/nats/frame-cutter.js';
import { runs } from './runs.js';

/** Subscription whose messages are cut. */
const OURS = 7;

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('latin1');

function textOf({ subject, bytes, replyAt, replyEnd, headers, body }: Frame): string {
  const reply = replyAt === replyEnd ? undefined : text(bytes.subarray(replyAt, replyEnd));
  return JSON.stringify(['message', OURS, text(subject), reply, text(headers), text(body)]);
}

/** What the library makes of these chunks, as texts. */
function parsed(chunks: readonly Uint8Array[]): string[] {
  const events: string[] = [];
  const parser = new Parser({
    push: (event) => {
      if (typeof event === 'function') return;
      if (event.kind !== Kind.MSG || event.msg === undefined) {
        events.push(JSON.stringify([event.kind, text(event.data)]));
        return;
      }
      const { sid, subject, reply, hdr } = event.msg;
      const data = event.data ?? new Uint8Array(0);
      const headers = hdr > 0 ? data.subarray(0, hdr) : undefined;
      const parts = [text(subject), text(reply), text(headers), text(data.subarray(Math.max(hdr, 0)))];
      events.push(JSON.stringify(['message', sid, ...parts]));
    },
  });
  for (const chunk of chunks) parser.parse(Buffer.from(chunk));
  return events;
}

/** What comes out for both sides when the stream arrives in these chunks. */
function cut(chunks: readonly Uint8Array[]): { ours: string[]; rest: Uint8Array[] } {
  const cutter = new FrameCutter();
  const ours: string[] = [];
  cutter.take(OURS, (frame) => ours.push(textOf(frame)));
  return { rest: chunks.flatMap((chunk) => [...cutter.cut(Buffer.from(chunk))]), ours };
}

function expectSame(chunks: readonly Uint8Array[]): void {
  const all = parsed([Buffer.concat(chunks)]);
  const { ours, rest } = cut(chunks);
  const mine = `["message",${OURS},`;
  expect(ours).toEqual(all.filter((event) => event.startsWith(mine)));
  expect(parsed(rest)).toEqual(all.filter((event) => !event.startsWith(mine)));
}

const message = (sid: number, body: string, reply = '', subject = 'events.a'): string =>
  `MSG ${subject} ${sid} ${reply === '' ? '' : `${reply} `}${body.length}\r\n${body}\r\n`;
const withHeaders = (sid: number, headers: string, body: string, reply = ''): string =>
  `HMSG events.b ${sid} ${reply === '' ? '' : `${reply} `}${headers.length} ${headers.length + body.length}\r\n${headers}${body}\r\n`;

const ack = '$JS.ACK.EVENTS.c.1.12.12.1795324241486529287.4';
const frames = [
  'INFO {"server_id":"x","max_payload":1048576}\r\n',
  message(OURS, '{"id":"e-1"}', ack),
  message(OURS, '', ack),
  message(70, 'for another', '_INBOX.y'),
  'PING\r\n',
  message(OURS, 'MSG events.a 7 3\r\nabc\r\nPING\r\n', ack),
  withHeaders(OURS, 'NATS/1.0 404 No Messages\r\n\r\n', ''),
  withHeaders(OURS, 'NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n', 'body', ack),
  withHeaders(3, 'NATS/1.0\r\nA: b\r\n\r\n', 'MSG events.a 7 3\r\nabc', '_INBOX.z'),
  'PONG\r\n',
  '+OK\r\n',
  '-ERR \'Permissions Violation for Subscription to "a"\'\r\n',
  message(OURS, '\r\n\r\n'),
];
const recorded = Buffer.from(frames.join(''), 'latin1');

describe('FrameCutter', () => {
  it('F1: gives our frames to us and the others to the library, as the library would have read them', () => {
    expectSame([recorded]);
    expect(cut([recorded]).ours).toHaveLength(6);
    expect(Buffer.concat(cut([recorded]).rest).toString()).toBe(
      frames.filter((frame) => !/^H?MSG \S+ 7 /.test(frame)).join(''),
    );
  });

  it('F2: wherever the chunks end', () => {
    for (let at = 0; at <= recorded.length; at++) expectSame([recorded.subarray(0, at), recorded.subarray(at)]);
    for (const size of [1, 2, 3, 5, 7, 16, 61]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < recorded.length; at += size) chunks.push(recorded.subarray(at, at + size));
      expectSame(chunks);
    }
  });

  it('F2: a frame of many chunks is put together once', () => {
    const body = 'x'.repeat(3_000_000);
    const bytes = Buffer.from(message(OURS, body, ack) + message(3, body) + message(OURS, 'after', ack));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
    expectSame(chunks);
  });

  it('F1, F2: for frames and chunks of all kinds', () => {
    const frame = fc.oneof(
      fc.constantFrom(...frames),
      fc
        .tuple(
          fc.constantFrom(OURS, OURS, 1, 77),
          fc.string({ unit: 'binary-ascii', maxLength: 40, size: 'max' }),
          fc.constantFrom('', ack),
        )
        .map(([sid, body, reply]) => message(sid, body, reply)),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 20, size: 'max' }),
        fc.array(fc.nat(), { maxLength: 12, size: 'max' }),
        (all, cuts) => {
          const bytes = Buffer.from(all.join(''), 'latin1');
          const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          expectSame(places.slice(1).map((to, i) => bytes.subarray(places[i], to)));
        },
      ),
      runs(500),
    );
  });

  it.each([
    ['a line that is no message', 'MSH a 7 1\r\n'],
    ['a message without a size', 'MSG a 7\r\n'],
    ['a size that is no number', 'MSG a 7 x\r\n'],
    ['more headers than bytes', 'HMSG a 7 9 3\r\nabc\r\n'],
    ['too many parts', 'MSG a 7 b c d 3\r\nabc\r\n'],
  ])('F3: after %s everything goes to the library', (_, wrong) => {
    const bytes = Buffer.from(message(OURS, 'before') + wrong + message(OURS, 'after'));
    const { ours, rest } = cut([bytes, Buffer.from(message(OURS, 'later'))]);
    expect(ours).toHaveLength(1);
    expect(Buffer.concat(rest).toString()).toBe(wrong + message(OURS, 'after') + message(OURS, 'later'));
  });

  it('leaves a subscription to the library that nobody takes, or no longer', () => {
    const cutter = new FrameCutter();
    const ours: string[] = [];
    const frame = Buffer.from(message(OURS, 'x'));
    expect(Buffer.concat(cutter.cut(frame))).toEqual(frame);
    cutter.take(OURS, (taken) => ours.push(textOf(taken)));
    expect(cutter.cut(frame)).toEqual([]);
    cutter.release(OURS);
    expect(Buffer.concat(cutter.cut(frame))).toEqual(frame);
    expect(ours).toHaveLength(1);
  });
});
