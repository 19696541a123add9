/**
 * The connection to NATS: it waits for the server, says why it is refused, never gives up, and a node needs no more
 * rights than are written down.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { nkeys } from '@nats-io/nats-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, type NatsOptions } from '../../src/adapters/nats/connect-nats.js';
import { JetStreamLog } from '../../src/adapters/nats/jetstream-log.js';
import { JetStreamSink } from '../../src/adapters/nats/jetstream-sink.js';
import { locateServer, type ServerBinary } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import { NatsFixture } from '../support/nats-fixture.js';
import { RecordingSink } from '../support/recording-sink.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

/** What a worker may do to stream S1, and what a publisher may. */
const accounts = `
  authorization {
    users: [
      { user: admin, password: a }
      { user: worker, password: "w@:/", permissions: {
          publish: [
            "$JS.API.STREAM.INFO.S1", "$JS.API.STREAM.MSG.GET.S1", "$JS.API.CONSUMER.CREATE.S1.>",
            "$JS.API.CONSUMER.INFO.S1.*", "$JS.API.CONSUMER.DELETE.S1.*", "$JS.API.CONSUMER.MSG.NEXT.S1.*"
          ]
          subscribe: ["_INBOX_worker.>"]
      } }
      { user: publisher, password: p, permissions: { publish: ["s1.open"], subscribe: ["_INBOX_publisher.>"] } }
      { user: deaf, password: d, permissions: { publish: [">"], subscribe: ["nothing"] } }
    ]
  }
  no_auth_user: admin
`;

let binary: ServerBinary;
const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one);
  return one;
};

beforeAll(async () => {
  binary = await locateServer('nats');
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const connectTo = async (options: NatsOptions, lines: string[] = []): Promise<NatsConnection> => {
  const line = (_level: string, event: string, fields: object) => lines.push(`${event} ${JSON.stringify(fields)}`);
  return kept(await connectNats(options, 'test', line, AbortSignal.timeout(20_000)));
};

const works = (connection: NatsConnection): Promise<boolean> =>
  connection.rtt().then(
    () => true,
    () => false,
  );

describe('connectNats', () => {
  it('waits until there is a server, and says so once', async () => {
    const nats = kept(await NatsFixture.start(binary));
    const proxy = kept(await TcpProxy.start(nats.server.port));
    proxy.block();
    const lines: string[] = [];
    const connecting = connectTo({ url: `nats://127.0.0.1:${await freePort()},nats://127.0.0.1:${proxy.port}` }, lines);
    await until(() => lines.length > 0, 10_000, 'the report');
    proxy.heal();
    await connecting;
    expect(lines).toEqual([expect.stringMatching(/^nats.waiting /), expect.stringMatching(/^nats.connected /)]);
  });

  it('takes credentials from the URL or beside it, and never prints them', async () => {
    const nats = kept(await NatsFixture.start(binary, accounts));
    const { port } = nats.server;
    // Only the worker may not ask this.
    const ask = (connection: NatsConnection) => connection.request('$JS.API.INFO');
    const beside = { url: `nats://127.0.0.1:${port}`, user: 'worker', password: 'w@:/' };
    await expect(ask(await connectTo(beside))).rejects.toThrow(/permission/i);
    await expect(ask(await connectTo({ url: `nats://worker:w%40%3A%2F@127.0.0.1:${port}` }))).rejects.toThrow();
    await ask(await connectTo({ url: `nats://admin:a@127.0.0.1:${port}` }));
    const lines: string[] = [];
    await connectTo({ url: `nats://worker:w%40%3A%2F@127.0.0.1:${port}` }, lines);
    const refused = connectTo({ url: `nats://worker:secret@127.0.0.1:${port}` }, lines);
    await expect(refused).rejects.toMatchObject({
      code: 'NATS_REFUSED',
      message: expect.not.stringContaining('secret'),
    });
    expect(lines.join()).not.toMatch(/secret|w%40/);
  });

  it('takes an nkey from a file, also after the file was unusable for a while', async () => {
    const key = nkeys.createUser();
    const user = `authorization { users: [ { user: admin, password: a }, { nkey: ${key.getPublicKey()} } ] }`;
    const nats = kept(await NatsFixture.start(binary, `${user}\nno_auth_user: admin`));
    const nkeySeed = join(nats.server.dir, 'seed');
    await expect(connectTo({ url: nats.server.url, nkeySeed })).rejects.toMatchObject({
      code: 'NATS_REFUSED',
      message: expect.stringContaining('ENOENT'),
    });
    await writeFile(nkeySeed, 'no seed');
    await expect(connectTo({ url: nats.server.url, nkeySeed })).rejects.toMatchObject({ code: 'NATS_REFUSED' });
    await writeFile(nkeySeed, `${new TextDecoder().decode(key.getSeed())}\n`);
    const lines: string[] = [];
    const connection = await connectTo({ url: nats.server.url, nkeySeed }, lines);
    await writeFile(nkeySeed, 'no seed');
    await nats.server.restart();
    await until(() => works(connection), 20_000, 'the connection');
    expect(lines.join()).toContain(`the credentials in ${nkeySeed} cannot be used`);
  });

  it('comes back after its credentials were refused again and again', async () => {
    const nats = kept(await NatsFixture.start(binary, accounts));
    const config = join(nats.server.dir, 'nats-server.conf');
    const text = await readFile(config, 'utf8');
    const lines: string[] = [];
    const connection = await connectTo({ url: nats.server.url, user: 'worker', password: 'w@:/' }, lines);
    await writeFile(config, text.replace('w@:/', 'other'));
    await nats.server.restart();
    const refusals = () => lines.filter((line) => /authorization/i.test(line)).length;
    await until(() => refusals() >= 4, 20_000, 'four refusals');
    await writeFile(config, text);
    await nats.server.restart();
    await until(() => works(connection), 20_000, 'the connection');
  });
});

describe('with no more rights than needed', () => {
  const asUser = (nats: NatsFixture, user: string, password: string) =>
    connectTo({ url: nats.server.url, user, password, inboxPrefix: `_INBOX_${user}` });

  it('a worker reads, and starts over', async () => {
    const nats = kept(await NatsFixture.start(binary, accounts));
    const stream = await nats.newStream();
    const connection = await asUser(nats, 'worker', 'w@:/');
    const log = new JetStreamLog({
      connection,
      consumerPrefix: 'w',
      heartbeatMs: 200,
      pullBytes: 1_000_000,
      log: () => {},
    });
    await nats.storeMany(stream, 100);
    expect(await log.info('S1')).toMatchObject({ first: 1, last: 100 });
    const sink = new RecordingSink();
    const reading = await log.read('S1', 50, sink);
    await sink.reached(51);
    await nats.server.restart();
    await nats.back();
    await nats.storeMany(stream, 10);
    await sink.reached(61);
    await reading.stop();
    expect(await nats.jsm.consumers.list('S1').next()).toEqual([]);
  });

  it('a publisher publishes, and what it may not is NATS_REFUSED at once', async () => {
    const nats = kept(await NatsFixture.start(binary, accounts));
    await nats.newStream();
    const body = new TextEncoder().encode('{}');
    const sink = new JetStreamSink(await asUser(nats, 'publisher', 'p'), { timeoutMs: 60_000 });
    const allowed = { subject: 's1.open', id: '1', body };
    expect(await sink.append(allowed)).toMatchObject({ sequence: 1 });
    const [denied, other] = [
      { ...allowed, subject: 's1.closed' },
      { ...allowed, id: '2' },
    ];
    const [refusal, stored] = await Promise.allSettled([sink.append(denied), sink.append(other)]);
    expect(refusal).toMatchObject({ status: 'rejected', reason: { code: 'NATS_REFUSED' } });
    expect(stored).toMatchObject({ status: 'fulfilled', value: { sequence: 2 } });
    const deaf = new JetStreamSink(await asUser(nats, 'deaf', 'd'), { timeoutMs: 60_000 });
    await expect(deaf.append({ ...allowed, id: '3' })).rejects.toMatchObject({ code: 'NATS_REFUSED' });
  });
});

describe('JetStreamSink', () => {
  it('A2: keeps what it is given while there is no connection, and sends it over the next', async () => {
    const nats = kept(await NatsFixture.start(binary));
    const stream = await nats.newStream();
    const proxy = kept(await TcpProxy.start(nats.server.port));
    const connection = await connectTo({ url: `nats://127.0.0.1:${proxy.port}` });
    const sink = new JetStreamSink(connection, { timeoutMs: 30_000 });
    const event = { subject: `${stream.prefix}a`, id: '1', body: new TextEncoder().encode('{}') };
    const unknown = sink.append(event).catch((error: unknown) => error);
    proxy.block();
    await until(() => proxy.refused > 0, 10_000, 'an attempt to connect');
    await unknown;
    const waiting = sink.append({ ...event, id: '2' });
    const before = proxy.refused;
    // The library throws away with every attempt what was given to it meanwhile.
    await until(() => proxy.refused > before, 10_000, 'another attempt');
    proxy.heal();
    expect(await waiting).toMatchObject({ stream: stream.name, duplicate: false });
  });
});
