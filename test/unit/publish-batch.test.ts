/** The bytes of a publication: those that the client library would write, or none. */
import type { NatsConnection } from '@nats-io/nats-core';
import { describe, expect, it } from 'vitest';
import { PublishBatch } from '../../src/adapters/nats/publish-batch.js';

const PAYLOAD_MAX = 1_000_000;

function batchTo(headers = true): { batch: PublishBatch; written: () => string[] } {
  const chunks: Uint8Array[] = [];
  const connection = {
    info: { headers, max_payload: PAYLOAD_MAX },
    protocol: { sendCommand: (bytes: Uint8Array) => chunks.push(bytes) },
  } as unknown as NatsConnection;
  return {
    batch: new PublishBatch(connection),
    written: () => chunks.map((bytes) => Buffer.from(bytes).toString('latin1')),
  };
}

const body = (text: string): Uint8Array => Buffer.from(text);

describe('a batch of publications', () => {
  it('is one write of the protocol, and says how long each part is', () => {
    const { batch, written } = batchTo();
    expect(batch.add('events.a', '_INBOX.x.0', [['Nats-Msg-Id', 'e 1']], body('{"ä":1}'))).toBe(true);
    expect(batch.add('events.b', '_INBOX.x.1', [], body(''))).toBe(true);
    expect(written()).toEqual([]);
    batch.send();
    batch.send();
    const head = 'NATS/1.0\r\nNats-Msg-Id: e 1\r\n\r\n';
    const first = `HPUB events.a _INBOX.x.0 ${head.length} ${head.length + 8}\r\n${head}${Buffer.from('{"ä":1}').toString('latin1')}\r\n`;
    expect(written()).toEqual([`${first}HPUB events.b _INBOX.x.1 12 12\r\nNATS/1.0\r\n\r\n\r\n`]);
  });

  it('leaves to the library what it would refuse, trim or encode', () => {
    const { batch, written } = batchTo();
    for (const id of ['', ' e', 'e ', 'e\r\nX: 1', 'é', 'e\t'])
      expect(batch.add('events.a', 'r', [['Nats-Msg-Id', id]], body('x')), JSON.stringify(id)).toBe(false);
    for (const name of ['', 'X ', 'X:', 'X\r\nY', 'ä'])
      expect(batch.add('events.a', 'r', [[name, 'e']], body('x')), JSON.stringify(name)).toBe(false);
    for (const subject of ['', 'a b', 'a\r\nPUB x 0', 'ä'])
      expect(batch.add(subject, 'r', [], body('x')), JSON.stringify(subject)).toBe(false);
    expect(batch.add('a', 'r', [], new Uint8Array(PAYLOAD_MAX))).toBe(false);
    expect(batchTo(false).batch.add('a', 'r', [], body('x'))).toBe(false);
    batch.send();
    expect(written()).toEqual([]);
  });

  it('never uses again what was handed over, whatever its size', () => {
    const { batch, written } = batchTo();
    const bodies = Array.from({ length: 300 }, (_, n) => body(String(n % 10).repeat(n === 150 ? 200_000 : 1_000)));
    for (const [n, one] of bodies.entries()) {
      expect(batch.add('a', `r.${n}`, [], one)).toBe(true);
      if (n % 7 === 0) batch.send();
    }
    batch.send();
    const text = written().join('');
    const all = bodies.map((one, n) => `HPUB a r.${n} 12 ${one.length + 12}\r\nNATS/1.0\r\n\r\n${one}\r\n`);
    expect(text === all.join('')).toBe(true);
  });
});
