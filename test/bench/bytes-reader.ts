/** The limit: a bare socket that asks for the whole stream and does nothing with the bytes but look for the end. */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { connect } from '@nats-io/transport-node';
import { addCountingConsumer, STREAM } from './fill-stream.js';
import { Meter } from './meter.js';
import { readerTask, report } from './readers.js';

const { bench, stream, servers } = readerTask();
const meter = new Meter({ nats: servers.nats.pid, redis: servers.redis.pid });
const connection = await connect({ servers: servers.nats.url });
const consumer = await addCountingConsumer(connection);
await connection.close();

const { hostname, port } = new URL(servers.nats.url);
const socket = createConnection(Number(port), hostname);
await once(socket, 'connect');
const request = JSON.stringify({ batch: stream.messages, expires: 600e9 });
const subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${consumer}`;
const inbox = '_INBOX.bytes';
socket.write(`CONNECT {"verbose":false,"headers":true}\r\nSUB ${inbox} 1\r\n`);
socket.write(`PUB ${subject} ${inbox} ${request.length}\r\n${request}\r\n`);
const end = Buffer.from(`${stream.lastBody}\r\n`);
meter.start();
let tail: Buffer = Buffer.alloc(0);
await new Promise<void>((resolve, reject) => {
  socket.on('close', () => reject(new Error('the server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    tail = chunk.length >= end.length ? chunk : Buffer.concat([tail.subarray(-end.length), chunk]);
    if (tail.subarray(-end.length).equals(end)) resolve();
  });
});
meter.last();
report(meter.result(bench.name, stream.messages));
socket.destroy();
