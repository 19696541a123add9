/** A demo on nats-server and redis-server: own ones, or those that were named. */
import type { NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import type { Redis } from 'ioredis';
import { openServices } from '../../compose/services.js';
import { tokenOfKey } from '../../core/key/key.js';
import { partitionOf } from '../../core/key/partition.js';
import { streamNames } from '../../core/position/stream-generations.js';
import { MillraceError, messageOf } from '../../errors.js';
import type { Options } from '../../options/types.js';
import { redactUrl } from '../../options/urls.js';
import type { OutgoingEvent } from './account-events.js';
import type { DemoPlace, DemoWorld, PlaceOptions, PlaceText } from './demo-world.js';
import { type DevServer, type DevServers, openServers } from './dev-servers.js';
import { readRedisAccounts } from './stored-accounts.js';
import { type Capture, captureStream, lastsOf } from './stream-capture.js';

const LAST_ACK_MS = 10_000;

export interface NamedServers {
  /** URLs of servers that run already; the others are started. */
  readonly nats: string | undefined;
  readonly redis: string | undefined;
  /** For an own nats-server: the mapping of several streams. */
  readonly mapping: string | undefined;
}

/** Throws as `openServers` does. */
export async function openServicesPlace(named: NamedServers, options: PlaceOptions): Promise<DemoPlace> {
  const servers = await openServers({ ...named, natsConfig: named.mapping, ...options });
  const { nats, redis } = servers;
  return {
    flags: {
      ...(named.nats === undefined ? { nats: nats.url } : {}),
      ...(named.redis === undefined ? { redis: redis.url } : {}),
    },
    fields: { nats: redactUrl(nats.url), redis: redactUrl(redis.url) },
    text: (resolved, key) => placeText(servers, resolved, key),
    async connect(resolved, line, signal) {
      const connections = await openServices(resolved, line, signal);
      return new ServicesWorld(connections.nats, connections.redis, resolved);
    },
    stop: (remove) => servers.stop(remove),
  };
}

function placeText({ nats, redis }: DevServers, { app, partitions, stream }: Options, key: string): PlaceText {
  const state = `millrace:{${app}:${partitionOf(key, partitions)}}:state`;
  const redisPort = new URL(redis.url).port || '6379';
  const subject = stream.publishSubject.replace('{key}', key);
  return {
    store: 'Redis',
    parts: [
      ['nats-server', described(nats)],
      ['redis-server', described(redis)],
    ],
    look: [
      `npx millrace get ${key} --redis ${redactUrl(redis.url)}`,
      `${redisCli(redis)} -p ${redisPort} HGET '${state}' ${key}`,
    ],
    publishFlags: ` --nats ${redactUrl(nats.url)}`,
    publishOtherwise: `from any NATS client: subject ${subject}, body {"id":"my-1","type":"deposit","data":{"amount":100}}`,
  };
}

function described({ url, own }: DevServer): string {
  return `${redactUrl(url)} (${own === undefined ? 'yours' : `${own.version}, data in ${own.dir}`})`;
}

/** `redis-cli`, or where it was unpacked to and what it needs there. */
function redisCli({ own }: DevServer): string {
  if (own?.binary.origin !== 'cache' || own.binary.cli === undefined) return 'redis-cli';
  const variables = Object.entries(own.binary.env).map(([name, value]) => `${name}=${value} `);
  return `${variables.join('')}${own.binary.cli}`;
}

/** Publishes over a plain NATS connection, as a client in any language would. */
class ServicesWorld implements DemoWorld {
  readonly store = 'Redis';
  readonly #nats: NatsConnection;
  readonly #redis: Redis;
  readonly #options: Options;
  isAway = false;

  constructor(nats: NatsConnection, redis: Redis, options: Options) {
    this.#nats = nats;
    this.#redis = redis;
    this.#options = options;
    this.#follow();
  }

  publish({ key, id, body, named }: OutgoingEvent): void {
    if (this.#nats.isClosed()) return;
    const marked = headers();
    if (named) marked.set('Nats-Msg-Id', id);
    this.#nats.publish(this.#subjectOf(key), body, named ? { headers: marked } : {});
  }

  async publishLast({ key, body }: OutgoingEvent): Promise<readonly number[]> {
    try {
      const answer = await this.#nats.request(this.#subjectOf(key), body, { timeout: LAST_ACK_MS });
      const { seq, error } = answer.json<{ seq?: number; error?: { description: string } }>();
      if (seq === undefined) throw new Error(error?.description ?? 'no sequence in the answer');
      const { count } = this.#options.stream;
      return count === 1 ? [seq] : await lastsOf(this.#nats, streamNames(this.#options.stream));
    } catch (cause) {
      const message = `the last event was not acknowledged: ${messageOf(cause)}`;
      throw new MillraceError('NATS_UNREACHABLE', message, { cause });
    }
  }

  async capture(take: Parameters<DemoWorld['capture']>[0]): ReturnType<DemoWorld['capture']> {
    const captures: Capture[] = [];
    for (const [stream, name] of streamNames(this.#options.stream).entries())
      captures.push(
        await captureStream(this.#nats, name, (event) =>
          take({ ...event, stream, subject: this.#published(event.subject) }),
        ),
      );
    return { first: Math.max(...captures.map(({ first }) => first)), last: captures[0]!.last };
  }

  /** The subject without the partition that the mapping wrote into it. */
  #published(subject: string): string {
    const { stream } = this.#options;
    const published = stream.publishSubject.split('.');
    const tokens = subject.split('.');
    return tokens.length === published.length ? subject : tokens.toSpliced(published.indexOf('{key}'), 1).join('.');
  }

  accounts(): ReturnType<DemoWorld['accounts']> {
    return readRedisAccounts(this.#redis, this.#options);
  }

  async close(): Promise<void> {
    await Promise.all([this.#nats.close(), this.#redis.quit().catch(() => this.#redis.disconnect())]);
  }

  #subjectOf(key: string): string {
    return this.#options.stream.publishSubject.replace('{key}', () => tokenOfKey(key));
  }

  /** Nothing is published while the server is away: the library would keep it all and send it late at once. */
  #follow(): void {
    const follow = async (): Promise<void> => {
      for await (const { type } of this.#nats.status()) {
        if (type === 'disconnect') this.isAway = true;
        if (type === 'reconnect') this.isAway = false;
      }
    };
    follow().catch(() => undefined); // it ends with the connection, which whoever uses it next is told
  }
}
