/** NATS and Redis of one test file: real servers in a temporary directory, and the test's own eyes on both. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import type { OptionsInput } from '../../src/options/types.js';
import { locateServers, type ServerBinary } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { NodeProcess, type ProcessTuning } from './node-process.js';
import { SmallDisk } from './small-disk.js';

export interface ClusterOptions {
  /** Another nats-server than the machine's own. */
  readonly natsBinary?: ServerBinary | undefined;
  /** More configuration of the nats-server. */
  readonly natsConfig?: string | undefined;
  readonly redisArgs?: readonly string[] | undefined;
  /** Size of a disk of its own for a server's data, megabytes. */
  readonly natsDisk?: number | undefined;
  readonly redisDisk?: number | undefined;
}

export class Cluster {
  readonly nats: RunningServer;
  readonly redis: RunningServer;
  /** Plain clients, for everything that Millrace does not do. */
  readonly nc: NatsConnection;
  readonly db: Redis;
  /** The disk that the options asked for. */
  readonly disk: SmallDisk | undefined;
  readonly #dir: string;
  readonly #nodes = new Set<NodeProcess>();

  private constructor(
    dir: string,
    nats: RunningServer,
    redis: RunningServer,
    nc: NatsConnection,
    db: Redis,
    disk: SmallDisk | undefined,
  ) {
    this.#dir = dir;
    this.disk = disk;
    this.nats = nats;
    this.redis = redis;
    this.nc = nc;
    this.db = db;
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const { natsBinary, natsConfig, redisArgs, natsDisk, redisDisk } = options;
    const dir = await mkdtemp(join(tmpdir(), 'millrace-cluster-'));
    const disk =
      natsDisk !== undefined
        ? SmallDisk.mount(join(dir, 'nats'), natsDisk)
        : redisDisk !== undefined
          ? SmallDisk.mount(join(dir, 'redis'), redisDisk)
          : undefined;
    const binaries = await locateServers();
    const nats = await startNatsServer({
      binary: natsBinary ?? binaries.nats,
      dir: join(dir, 'nats'),
      extraConfig: natsConfig,
    });
    const redis = await startRedisServer({ binary: binaries.redis, dir: join(dir, 'redis'), args: redisArgs });
    const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const db = new Redis(redis.url, { protocol: 2 });
    db.on('error', () => undefined);
    return new Cluster(dir, nats, redis, nc, db, disk);
  }

  async addStream(name: string, subjects: readonly string[], config: Partial<StreamConfig> = {}): Promise<void> {
    const jsm = await jetstreamManager(this.nc);
    await jsm.streams.add({ name, subjects: [...subjects], ...config });
  }

  /** Adds to the configuration of the nats-server, which reads it again at once, as an operator does. */
  async configureNats(more: string): Promise<void> {
    await appendFile(join(this.nats.dir, 'nats-server.conf'), more);
    process.kill(this.nats.pid, 'SIGHUP');
  }

  /** Removes the events up to `last`. */
  async purgeUpTo(stream: string, last: number): Promise<void> {
    const jsm = await jetstreamManager(this.nc, { timeout: 60_000 });
    await jsm.streams.purge(stream, { seq: last + 1 });
  }

  async deleteMessage(stream: string, sequence: number): Promise<void> {
    const jsm = await jetstreamManager(this.nc);
    await jsm.streams.deleteMessage(stream, sequence);
  }

  async lastSequence(stream: string): Promise<number> {
    const jsm = await jetstreamManager(this.nc);
    return (await jsm.streams.info(stream)).state.last_seq;
  }

  /** What an application needs before its first node starts, and the options that lead a node to these servers. */
  async newApp(app: string, input: OptionsInput = {}): Promise<OptionsInput> {
    await new Kvm(jetstream(this.nc)).create(`millrace-${app}`, { history: 1 });
    const servers = { nats: { url: this.nats.url }, redis: { url: this.redis.url } };
    return { app, ...servers, http: { port: 0 }, probes: { host: '127.0.0.1', port: 0 }, threads: 1, ...input };
  }

  /** Starts a node in a process of its own; it ends with the cluster at the latest. */
  node(input: OptionsInput, tuning: ProcessTuning = {}): NodeProcess {
    const node = new NodeProcess(input, tuning);
    this.#nodes.add(node);
    void node.exited.then(() => this.#nodes.delete(node));
    return node;
  }

  /** Ends everything and leaves nothing behind. */
  async stop(): Promise<void> {
    await Promise.all([...this.#nodes].map((node) => node.kill()));
    this.db.disconnect();
    await this.nc.close();
    await Promise.all([this.nats.kill(), this.redis.kill()]);
    this.disk?.unmount();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
