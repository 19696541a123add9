/** What the pipeline is compared with: the client library's own consumer, and a loop that counts. */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { addCountingConsumer, STREAM } from './fill-stream.js';
import { Meter } from './meter.js';
import { readerTask, report } from './readers.js';

/** The fastest of 100 (the library's default), 500, 2,000 and 5,000. */
const MAX_MESSAGES = 2_000;

const { bench, stream, servers } = readerTask();
const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid });
const connection = await connect({ servers: servers.nats.url });
const consumer = await jetstream(connection).consumers.get(STREAM, await addCountingConsumer(connection));
meter.start();
let count = 0;
const messages = await consumer.consume({ max_messages: MAX_MESSAGES });
for await (const _ of messages) if (++count === stream.messages) break;
meter.last();
report(meter.result(bench.name, count));
await connection.close();
