/** What a node needs of NATS and Redis: made where it is missing, judged, and moved to more streams on request. */
import type { NatsConnection } from '@nats-io/nats-core';
import { problemOfMapped } from '../adapters/nats/check-mapping.js';
import { closeStream } from '../adapters/nats/close-stream.js';
import { connectNats } from '../adapters/nats/connect-nats.js';
import { bucketName, createBucket } from '../adapters/nats/kv-bucket.js';
import { ensureStream } from '../adapters/nats/provision.js';
import { StreamHistory } from '../adapters/nats/stream-history.js';
import { checkRedis } from '../adapters/redis/check-redis.js';
import { closeRedis, untilRedisReady } from '../adapters/redis/redis-connection.js';
import { partitionOf } from '../core/key/partition.js';
import { partitionsOf, streamNameOf } from '../core/key/stream-share.js';
import type { StreamGeneration } from '../core/position/stream-generations.js';
import { nextGeneration, streamNames } from '../core/position/stream-generations.js';
import { MillraceError } from '../errors.js';
import { mappingBlock } from '../options/stream-mapping.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import type { MappingReport, Provisioned, ProvisionTask } from './provision.js';
import { openRedis } from './redis.js';
import { redisSettings } from './store.js';
import { mappingOf, streamSettings } from './streams.js';

/** How long NATS and Redis are waited for, ms. */
const WAIT_MS = 3_000;

/** As `provision`, for options that name no database. */
export async function provisionServices(options: Options, line: LogLine, task: ProvisionTask): Promise<Provisioned> {
  const name = `millrace-${options.app}-provision`;
  const nats = await connectNats(options.nats, name, line, AbortSignal.timeout(WAIT_MS));
  const redis = openRedis(redisSettings(options), name, line);
  try {
    await untilRedisReady(redis, WAIT_MS);
    if (task.create) await createBucket(nats, options.app, options.stream.replicas);
    const history = new StreamHistory(nats, options.app);
    if (task.move) await move(options, nats, history);
    else await history.expect(options.stream);
    const streams = [];
    for (const settings of streamSettings(options)) streams.push(await ensureStream(nats, settings, task));
    const generations = (await history.read()) ?? [];
    return {
      streams,
      mapping: await mappingReport(options, nats),
      earlier: generations.slice(0, -1).flatMap(streamNames),
      bucket: bucketName(options.app),
      redis: await checkRedis(redis),
    };
  } finally {
    await Promise.all([nats.close(), closeRedis(redis)]);
  }
}

/** Where it was cut short, it goes on from there when it is called again. */
async function move({ stream }: Options, nats: NatsConnection, history: StreamHistory): Promise<void> {
  const known = await history.read();
  const newest = known?.at(-1);
  if (known === undefined || newest === undefined)
    throw new MillraceError('NOT_FOUND', 'no node has ever run, so there is nothing to move: provision without --move');
  if (newest.name === stream.name && newest.count === stream.count) return;
  checkMove(newest, stream);
  const lasts: number[] = [];
  for (const name of streamNames(newest)) lasts.push(await closeStream(nats, name));
  await history.append(known, nextGeneration(newest, lasts, stream));
}

/** Each stream must have one before it, and a name that none had: sequences would mean two events. */
function checkMove(before: StreamGeneration, { name, count }: Options['stream']): void {
  const problems: string[] = [];
  if (count % before.count !== 0)
    problems.push(`${count} is no multiple of ${before.count}: a stream would go on from two at once`);
  const taken = new Set(streamNames(before));
  const again = streamNames({ name, count }).filter((one) => taken.has(one));
  if (again.length > 0) problems.push(`${again.join(', ')} would be closed and used again`);
  if (problems.length > 0)
    throw new MillraceError('STREAM_UNSUITABLE', `the move is not possible: ${problems.join('; ')}`, { problems });
}

async function mappingReport(options: Options, nats: NatsConnection): Promise<MappingReport | undefined> {
  const mapping = mappingOf(options);
  if (mapping === undefined) return undefined;
  const { partitions, stream } = options;
  const probes = Array.from({ length: stream.count }, (_, index) => {
    const [first, last] = partitionsOf(index, partitions, stream.count);
    return [first, last].map((partition) => ({
      subject: stream.publishSubject.replace('{key}', keyIn(partition, partitions)),
      stream: streamNameOf(stream.name, index, stream.count),
    }));
  });
  const problem = await problemOfMapped(nats, probes.flat());
  return { from: mapping.from, to: mapping.to, block: mappingBlock(mapping), problem };
}

/** A key that belongs to the partition. */
function keyIn(partition: number, partitions: number): string {
  for (let n = 0; ; n++) if (partitionOf(`probe-${n}`, partitions) === partition) return `probe-${n}`;
}
