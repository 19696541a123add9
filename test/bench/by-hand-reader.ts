/**
 * What users write by hand: a durable consumer, one Redis script per event, and an acknowledgement when Redis has
 * answered. Several events are under way unless the case says one by one; one connection keeps their order.
 */
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { STREAM } from './fill-stream.js';
import { Meter } from './meter.js';
import { readerTask, report } from './readers.js';
import { ScriptedLedger } from './scripted-ledger.js';
import { Window } from './window.js';

const ACK_WAIT_NS = 60e9;

const { bench, app, stream, servers } = readerTask();
const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid });
const connection = await connect({ servers: servers.nats.url });
const ledger = new ScriptedLedger(servers.redis.url);
const window = new Window(bench.underWay!);
const manager = await jetstreamManager(connection);
await manager.consumers.add(STREAM, {
  durable_name: app,
  ack_policy: AckPolicy.Explicit,
  ack_wait: ACK_WAIT_NS,
  max_ack_pending: Math.max(1_000, bench.underWay!),
});
const consumer = await jetstream(connection).consumers.get(STREAM, app);
meter.start();
let count = 0;
const messages = await consumer.consume({ max_messages: 1_000 });
for await (const message of messages) {
  await window.run(async () => {
    await ledger.apply(message.subject.slice('events.'.length), message.string());
    message.ack();
  });
  if (++count === stream.messages) break;
}
await window.idle();
meter.last();
await connection.flush();
report(meter.result(bench.name, count));
await ledger.check(stream);
ledger.close();
await manager.consumers.delete(STREAM, app);
await connection.close();
