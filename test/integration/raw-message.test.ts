/** The shape of the client library's messages that raw-message.ts relies on, with the real library and a real server. */
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { frameOf, inboxOf } from '../../src/adapters/nats/raw-message.js';
import { locateServer } from '../../src/services/binaries.js';
import { NatsFixture } from '../support/nats-fixture.js';

let nats: NatsFixture;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await NatsFixture.start(await locateServer('nats'));
  connection = await connect({ servers: nats.server.url, inboxPrefix: '_MINE' });
});
afterAll(async () => {
  await connection?.close();
  await nats?.close();
});

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);

/** Sends a message over the server and answers it while its bytes are valid. */
async function roundTrip<T>(
  send: (subject: string) => void,
  read: (message: Msg) => T,
  subject = 'raw.kéy',
): Promise<{ read: T; library: Msg }> {
  return new Promise((resolve, reject) => {
    connection.subscribe(subject, {
      max: 1,
      callback: (error, message) => {
        if (error === null) resolve({ read: read(message), library: message });
        else reject(error);
      },
    });
    send(subject);
  });
}

const parts = (message: Msg) => {
  const { subject, bytes, replyAt, replyEnd, headers: head, body } = frameOf(message);
  const reply = replyAt === replyEnd ? undefined : text(bytes.subarray(replyAt, replyEnd));
  return { subject: text(subject), reply, headers: text(head), body: text(body) };
};

it.each([
  ['nothing but a body', 'body', undefined, false],
  ['an empty body', '', undefined, false],
  ['a reply', 'body', '_INBOX.x.1', false],
  ['headers', 'body', undefined, true],
  ['headers and an empty body', '', undefined, true],
  ['everything, and larger than one chunk of the socket', 'x'.repeat(500_000), '_INBOX.x.1', true],
] as const)('gives the bytes of a message with %s', async (_what, body, reply, hasHeaders) => {
  const head = headers();
  head.set('A', 'ü');
  const options = { ...(reply && { reply }), ...(hasHeaders && { headers: head }) };
  const { read, library } = await roundTrip((subject) => connection.publish(subject, body, options), parts);
  expect(read).toEqual({
    subject: 'raw.kéy',
    reply,
    headers: hasHeaders ? 'NATS/1.0\r\nA: ü\r\n\r\n' : undefined,
    body,
  });
  expect(library.subject).toBe(read.subject);
  expect(text(library.data)).toBe(read.body);
});

it('knows the prefix of inboxes that the connection was made with', () => {
  expect(inboxOf(connection)).toMatch(/^_MINE\.\w+$/);
  expect(inboxOf(nats.connection)).toMatch(/^_INBOX\.\w+$/);
});
