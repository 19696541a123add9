/** Looks at NATS and Redis as a node would use them. */
import { connectNats } from '../adapters/nats/connect-nats.js';
import { examineNats } from '../adapters/nats/examine-nats.js';
import { JetStreamLog } from '../adapters/nats/jetstream-log.js';
import { NatsKvCoordinator } from '../adapters/nats/nats-kv-coordinator.js';
import { examineRedis } from '../adapters/redis/examine-redis.js';
import { closeRedis, untilRedisReady } from '../adapters/redis/redis-connection.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import type { Finding } from '../runtime/diagnosis.js';
import { diagnose } from '../runtime/diagnosis.js';
import { heartbeatMs } from './backend.js';
import { openRedis } from './redis.js';
import { redisSettings } from './store.js';
import { streamSettings } from './streams.js';

const WAIT_MS = 3_000;

/** Changes nothing. Throws `…_UNREACHABLE` and `STREAM_MISSING`; `monitor` is a nats-server's monitoring port. */
export async function examineServices(
  options: Options,
  line: LogLine,
  monitor: string | undefined,
): Promise<Finding[]> {
  const rules = { checkpointMs: options.checkpoint.intervalMs, aheadMsMax: options.order.aheadMaxMs };
  const name = `millrace-${options.app}-doctor`;
  const nats = await connectNats(options.nats, name, line, AbortSignal.timeout(WAIT_MS));
  const redis = openRedis(redisSettings(options), name, line);
  try {
    await untilRedisReady(redis, WAIT_MS);
    const { app } = options;
    const coordinator = new NatsKvCoordinator({ nc: nats, app, node: name });
    const log = new JetStreamLog({
      ...{ connection: nats, consumerPrefix: name, heartbeatMs: heartbeatMs(options), log: line },
      pullBytes: Math.floor(options.limits.inFlightBytes / 4),
    });
    const settings = streamSettings(options);
    const readOnce = async (): Promise<void> => {
      const stream = settings[0]!.name;
      const nothing = (): void => undefined;
      const { last } = await log.info(stream);
      await (await log.read(stream, last + 1, { event: nothing, caughtUp: nothing, failed: nothing })).stop();
    };
    const tryOut = [
      ['reading the ownership bucket', () => coordinator.holder(0)],
      ['reading the stream', readOnce],
    ] as const;
    return diagnose(
      {
        nats: await examineNats(nats, settings, monitor, tryOut),
        redis: await examineRedis(redis, `millrace:{${app}:`),
      },
      rules,
    );
  } finally {
    await Promise.all([nats.close(), closeRedis(redis)]);
  }
}
