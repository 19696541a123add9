/**
 * Restate with a virtual object per key. It is a log of its own and does not read JetStream, so a forwarder carries
 * each event to its ingress, with the id as idempotency key, and does not wait for the handler. Forwarder and handlers
 * share this process; the server is one of its own. Measured from the first event read to the last one handled.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { Http2Server } from 'node:http2';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import type { Account, Movement } from '../../src/handlers/ledger.js';
import { ledger } from '../../src/handlers/ledger.js';
import { until } from '../support/until.js';
import { Meter } from './meter.js';
import { loadPeer, restateServerPath } from './peers.js';
import { readerTask, report } from './readers.js';
import { startRestateServer } from './restate-server.js';
import { streamEvents } from './stream-events.js';
import { Window } from './window.js';

interface ObjectContext {
  get(name: string): Promise<Account | null>;
  set(name: string, value: Account): void;
}

interface RestateSdk {
  object(definition: {
    readonly name: string;
    readonly handlers: Record<string, (context: ObjectContext, event: LedgerEvent) => Promise<void>>;
  }): object;
  createEndpointHandler(options: {
    readonly services: readonly object[];
    readonly logger: () => void;
  }): Parameters<typeof createServer>[1];
}

interface LedgerEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Movement;
}

const HANDLED_MS = 300_000;

const { bench, stream, servers, peers } = readerTask();
const dir = await mkdtemp(join(tmpdir(), 'millrace-restate-'));
const restate = await startRestateServer(restateServerPath(peers!), dir);
const handled = new Set<string>();
const endpoint = await serveLedger();
const agent = new Agent({ keepAlive: true, maxSockets: bench.underWay! });
try {
  await register();
  await drain();
} finally {
  agent.destroy();
  endpoint.close();
  await restate.process.kill();
  await rm(dir, { recursive: true, force: true });
}

async function drain(): Promise<void> {
  const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid, peer: restate.process.pid });
  const connection = await connect({ servers: servers.nats.url });
  const window = new Window(bench.underWay!);
  const sent = new Set<string>();
  let count = 0;
  meter.start();
  for await (const { key, body } of streamEvents(connection, stream.messages)) {
    const { id } = JSON.parse(body) as LedgerEvent;
    sent.add(id);
    count++;
    await window.run(() => send(key, id, body));
  }
  await window.idle();
  await until(() => handled.size === sent.size, HANDLED_MS, 'every event is handled');
  meter.last();
  await connection.close();
  report(meter.result(bench.name, count));
}

/** The handler is the one that Millrace runs. */
async function serveLedger(): Promise<Http2Server> {
  const { object, createEndpointHandler } = await loadPeer<RestateSdk>(peers!, '@restatedev/restate-sdk');
  const handler = ledger.create({});
  const apply = async (context: ObjectContext, event: LedgerEvent): Promise<void> => {
    const account = (await context.get('account')) ?? (handler.initial('') as Account);
    context.set('account', handler.apply(account, event as never, undefined as never) as Account);
    handled.add(event.id);
  };
  const services = [object({ name: 'Ledger', handlers: { apply } })];
  const server = createServer(createEndpointHandler({ services, logger: () => undefined }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function register(): Promise<void> {
  const { port } = endpoint.address() as AddressInfo;
  const answer = await fetch(`${restate.adminUrl}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${port}` }),
  });
  if (!answer.ok) throw new Error(`the handlers cannot be registered: ${answer.status} ${await answer.text()}`);
}

/** Resolves when Restate has the event. */
function send(key: string, id: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': id };
    const path = `/Ledger/${key}/apply/send`;
    const call = request(
      { agent, host: '127.0.0.1', port: restate.ingressPort, method: 'POST', path, headers },
      (answer) => {
        answer.resume();
        answer.once('end', () => {
          if (answer.statusCode! < 300) resolve();
          else reject(new Error(`Restate answered ${answer.statusCode}`));
        });
      },
    );
    call.once('error', reject);
    call.end(body);
  });
}
