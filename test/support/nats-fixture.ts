/** A real nats-server for one test file: its own directory, an administrator's connection, fresh streams. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { jetstreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { ServerBinary } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { until } from './until.js';

export interface FixtureStream {
  readonly name: string;
  /** Subjects of the stream begin with it, dot included. */
  readonly prefix: string;
}

export class NatsFixture {
  readonly server: RunningServer;
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  #streams = 0;

  private constructor(server: RunningServer, connection: NatsConnection, jsm: JetStreamManager) {
    this.server = server;
    this.connection = connection;
    this.jsm = jsm;
  }

  /** Behind a login the configuration must let in nameless users as administrators (`no_auth_user`). */
  static async start(binary: ServerBinary, extraConfig = ''): Promise<NatsFixture> {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-nats-'));
    const server = await startNatsServer({ binary, dir, extraConfig });
    const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    return new NatsFixture(server, connection, await jetstreamManager(connection));
  }

  /** A new stream with a name and subjects of its own. */
  async newStream(config: Partial<StreamConfig> = {}): Promise<FixtureStream> {
    const name = `S${++this.#streams}`;
    const prefix = `s${this.#streams}.`;
    await this.jsm.streams.add({ name, subjects: [`${prefix}>`], ...config });
    return { name, prefix };
  }

  /** Stores one event; headers are sent as they are. */
  async store(subject: string, body: Uint8Array | string, headers?: Uint8Array): Promise<number> {
    const options = headers === undefined ? {} : { headers: verbatim(headers) };
    const answer = await this.connection.request(subject, body, { timeout: 5_000, ...options });
    return answer.json<{ seq: number }>().seq;
  }

  /** Stores many small events fast; the body is the number of the event. */
  async storeMany({ name, prefix }: FixtureStream, count: number): Promise<void> {
    const last = async (): Promise<number> => (await this.jsm.streams.info(name)).state.last_seq;
    const before = await last();
    for (let n = 1; n <= count; n++) this.connection.publish(`${prefix}many`, `${before + n}`);
    await until(async () => (await last()) >= before + count, 30_000, `${count} events in the stream`);
  }

  /** Waits until the administrator's connection works, after the server was away. */
  async back(): Promise<void> {
    const isBack = async (): Promise<boolean> => {
      try {
        // Refused at once while there is no connection; a request would wait for its time-out.
        await this.connection.rtt();
        await this.jsm.getAccountInfo();
        return true;
      } catch {
        return false;
      }
    };
    await until(isBack, 30_000, 'the connection to the server');
  }

  async close(): Promise<void> {
    await this.connection.close();
    await this.server.stop();
    await rm(this.server.dir, { recursive: true, force: true });
  }
}

/** A header block that the client library sends as it is; its own would be written anew. */
function verbatim(block: Uint8Array): MsgHdrs {
  return { encode: () => block } as unknown as MsgHdrs;
}
