/** The contract of event logs over the reference model and over real nats-servers, the oldest and newest to be had. */
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import { JetStreamLog } from '../../src/adapters/nats/jetstream-log.js';
import { JetStreamSink } from '../../src/adapters/nats/jetstream-sink.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { ServerBinary } from '../../src/services/binaries.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { NatsFixture } from '../support/nats-fixture.js';
import { eventLogContract, type LogHarness, type RawEvent } from './event-log.contract.js';

const heartbeatMs = 100;

eventLogContract('MemoryEventLog', async () => openMemory());
for (const binary of await natsBinaries()) {
  eventLogContract(`JetStreamLog on nats-server ${binary.version}`, () => openNats(binary));
}

function openMemory(): LogHarness {
  const requestEvents = 64;
  const log = new MemoryEventLog({ clock: systemClock, heartbeatMs, requestEvents });
  let streams = 0;
  return {
    requestedMax: requestEvents,
    async newStream() {
      const name = `S${++streams}`;
      const prefix = `s${streams}.`;
      log.createStream(name, (subject) => subject.startsWith(prefix));
      const store = async ({ token, headers, body }: RawEvent): Promise<number> =>
        log.store(name, { subject: prefix + token, headers, body });
      return {
        log,
        sink: log,
        name,
        prefix,
        store,
        async storeMany(count) {
          for (let n = 0; n < count; n++) await store({ token: 'many', body: new Uint8Array(0) });
        },
        remove: async (sequence) => log.remove(name, sequence),
        purge: async (first) => log.purge(name, first),
        deleteStream: async () => log.deleteStream(name),
      };
    },
    async close() {},
  };
}

async function openNats(binary: ServerBinary): Promise<LogHarness> {
  const nats = await NatsFixture.start(binary);
  const { connection, jsm } = nats;
  const options = { consumerPrefix: 'test', heartbeatMs, pullBytes: 4_000_000, log: () => {} };
  const log = new JetStreamLog({ connection, ...options });
  const sink = new JetStreamSink(connection);
  return {
    // Two pull requests of 2,000.
    requestedMax: 4_000,
    async newStream() {
      const stream = await nats.newStream();
      const { name, prefix } = stream;
      return {
        log,
        sink,
        name,
        prefix,
        store: ({ token, headers, body }) => nats.store(prefix + token, body, headers),
        storeMany: (count) => nats.storeMany(stream, count),
        remove: async (sequence) => void (await jsm.streams.deleteMessage(name, sequence)),
        purge: async (first) => void (await jsm.streams.purge(name, { seq: first })),
        deleteStream: async () => void (await jsm.streams.delete(name)),
      };
    },
    close: () => nats.close(),
  };
}
