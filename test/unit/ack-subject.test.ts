/** Reply subjects of JetStream deliveries, in every form a server of 2.2 or later sends. */
import { describe, expect, it } from 'vitest';
import { AckSubject } from '../../src/adapters/nats/ack-subject.js';
import { timeText } from '../../src/ports/event-log.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const tail = '1.1234567.89.1795324241486529287.4321';
const forms = {
  '9 tokens': `$JS.ACK.EVENTS.millrace-x.${tail}`,
  '11 tokens, with domain and account': `$JS.ACK.hub.AAAA2222.EVENTS.millrace-x.${tail}`,
  '11 tokens, without a domain': `$JS.ACK._.AAAA2222.EVENTS.millrace-x.${tail}`,
  '12 tokens, with a random one at the end': `$JS.ACK.hub.AAAA2222.EVENTS.millrace-x.${tail}.RaNd0m`,
};

describe('AckSubject', () => {
  it.each(Object.entries(forms))('reads %s', (_form, subject) => {
    const ack = new AckSubject();
    expect(ack.read(bytes(subject))).toBe(true);
    expect(ack).toMatchObject({ streamSequence: 1_234_567, consumerSequence: 89, pending: 4_321 });
    expect(ack).toMatchObject({ timeMs: 1_795_324_241_486, timeNanos: 529_287 });
    expect(timeText(ack.timeMs, ack.timeNanos)).toBe('1795324241486529287');
  });

  it.each(Object.entries(forms))('reads %s again and again, with numbers of other lengths', (_form, subject) => {
    const ack = new AckSubject();
    const sent = [
      [1, 1, '1795324241486000000', 0],
      [9_007_199_254_740_991, 100_000, '1795324241486000001', 10_000_000],
      [7, 99, '1795324241999999999', 1],
    ] as const;
    for (const [stream, consumer, time, pending] of sent) {
      const text = subject.replace(tail, `1.${stream}.${consumer}.${time}.${pending}`);
      expect(ack.read(bytes(text))).toBe(true);
      expect(ack).toMatchObject({ streamSequence: stream, consumerSequence: consumer, pending });
      expect(timeText(ack.timeMs, ack.timeNanos)).toBe(time);
    }
  });

  it('reads subjects that are a part of a larger buffer', () => {
    const ack = new AckSubject();
    const text = forms['9 tokens'];
    const buffer = bytes(`xx${text}.9`);
    expect(ack.read(buffer.subarray(2, 2 + text.length))).toBe(true);
    expect(ack.pending).toBe(4_321);
  });

  it.each(['', '_INBOX.abc.1', '$JS.ACK.', '$JS.ACK.EVENTS.x.1.2.3.4', '$JS.API.CONSUMER.MSG.NEXT.S.C.x.y.z'])(
    'refuses %j',
    (subject) => {
      expect(new AckSubject().read(bytes(subject))).toBe(false);
    },
  );
});
