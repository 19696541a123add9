/** What can be done to a node and its servers, each fault with its own end: after `strike` everything is whole again. */
import type { OptionsInput } from '../../src/options/types.js';
import type { Cluster } from '../support/cluster.js';
import type { NodeProcess } from '../support/node-process.js';
import type { Random } from '../support/random.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import type { Exclusively, Faults } from './arena.js';

const faultKinds = [
  'node-kill',
  'node-kill',
  'node-kill',
  'node-freeze',
  'thread-kill',
  'redis-kill',
  'redis-freeze',
  'redis-cut',
  'redis-mute',
  'nats-kill',
  'nats-freeze',
  'nats-cut',
  'nats-hold',
] as const;

type FaultKind = (typeof faultKinds)[number];

const DEADLINE_MS = 30_000;

export class FaultyWorld implements Faults {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #options: OptionsInput;
  readonly #natsProxy: TcpProxy;
  readonly #redisProxy: TcpProxy;
  readonly #exclusively: Exclusively;
  #node: NodeProcess;

  private constructor(
    cluster: Cluster,
    random: Random,
    options: OptionsInput,
    proxies: readonly [TcpProxy, TcpProxy],
    exclusively: Exclusively,
  ) {
    this.#cluster = cluster;
    this.#random = random;
    this.#options = options;
    [this.#natsProxy, this.#redisProxy] = proxies;
    this.#exclusively = exclusively;
    this.#node = cluster.node(options);
  }

  /** A node that reaches its servers through proxies. */
  static async start(
    cluster: Cluster,
    random: Random,
    options: OptionsInput,
    exclusively: Exclusively,
  ): Promise<FaultyWorld> {
    const nats = await TcpProxy.start(cluster.nats.port);
    const redis = await TcpProxy.start(cluster.redis.port);
    const proxied: OptionsInput = {
      ...options,
      nats: { url: `nats://127.0.0.1:${nats.port}` },
      redis: { url: `redis://127.0.0.1:${redis.port}`, commandTimeout: '1s' },
    };
    return new FaultyWorld(cluster, random, proxied, [nats, redis], exclusively);
  }

  /** A node that has run into its own crash-loop breaker is replaced as an orchestrator would. */
  async node(): Promise<NodeProcess> {
    if (this.#node.hasEnded) this.#node = this.#cluster.node(this.#options);
    return this.#node;
  }

  async strike(): Promise<string> {
    const kind = this.#random.pick(faultKinds);
    await this.#strike(kind);
    return kind;
  }

  async #strike(kind: FaultKind): Promise<void> {
    const { nats, redis } = this.#cluster;
    const node = await this.node();
    switch (kind) {
      case 'node-kill':
        await this.#soon(500);
        return node.kill();
      case 'node-freeze':
        node.signal('SIGSTOP');
        await this.#soon(2_000);
        node.signal('SIGCONT');
        return;
      case 'thread-kill':
        if (!node.hasEnded) node.killThread(this.#random.between(0, 1));
        return;
      case 'redis-kill':
        await redis.kill();
        await this.#soon(500);
        return redis.restart();
      case 'redis-freeze':
        redis.pause();
        await this.#soon(2_000);
        return redis.resume();
      case 'redis-cut':
        this.#redisProxy.cut();
        return;
      case 'redis-mute':
        this.#redisProxy.swallow('answers');
        await this.#soon(1_500);
        return this.#redisProxy.heal();
      case 'nats-kill':
        return this.#exclusively(async () => {
          await nats.kill();
          await this.#soon(500);
          await nats.restart();
          await this.#natsIsBack();
        });
      case 'nats-freeze':
        return this.#exclusively(async () => {
          nats.pause();
          await this.#soon(1_500);
          nats.resume();
          await this.#natsIsBack();
        });
      case 'nats-cut':
        this.#natsProxy.cut();
        return;
      case 'nats-hold':
        this.#natsProxy.hold('answers', 'requests');
        await this.#soon(2_000);
        return this.#natsProxy.heal();
    }
  }

  async close(): Promise<void> {
    await this.#node.kill();
    await Promise.all([this.#natsProxy.close(), this.#redisProxy.close()]);
  }

  /** Some time, at random, at most `maxMs`. */
  async #soon(maxMs: number): Promise<void> {
    const moment = performance.now() + this.#random.between(0, maxMs);
    await until(() => performance.now() >= moment, DEADLINE_MS, 'the moment');
  }

  async #natsIsBack(): Promise<void> {
    const { nc } = this.#cluster;
    const isBack = async (): Promise<boolean> => {
      try {
        await nc.rtt();
        await nc.request('$JS.API.INFO', '', { timeout: 1_000 });
        return true;
      } catch {
        return false;
      }
    };
    await until(isBack, DEADLINE_MS, 'NATS');
  }
}
