/** Looks at the servers of an application as a node would use them. Part of the composition root. */
import { existsSync } from 'node:fs';
import { connectNats } from '../adapters/nats/connect-nats.js';
import { examineNats } from '../adapters/nats/examine-nats.js';
import { JetStreamLog } from '../adapters/nats/jetstream-log.js';
import { NatsKvCoordinator } from '../adapters/nats/nats-kv-coordinator.js';
import { examineRedis } from '../adapters/redis/examine-redis.js';
import { closeRedis, untilRedisReady } from '../adapters/redis/redis-connection.js';
import { examinePostgres, examineSqlite } from '../adapters/sql/examine-sql.js';
import { MillraceError } from '../errors.js';
import type { Options } from '../options/types.js';
import { sqlitePath } from '../options/urls.js';
import type { LogLine } from '../ports/log.js';
import type { Finding } from '../runtime/diagnosis.js';
import { diagnose } from '../runtime/diagnosis.js';
import { diagnosePostgres, diagnoseSqlite } from '../runtime/sql-diagnosis.js';
import { heartbeatMs } from './backend.js';
import { openRedis, redisSettings } from './redis.js';
import { isSql, openDatabase, provisionSql, type SqlOptions } from './sql-backend.js';
import { streamSettings } from './streams.js';

const WAIT_MS = 3_000;

/** Changes nothing. Throws `…_UNREACHABLE`, `STREAM_MISSING`, `SQL_…`; `monitor` is a nats-server's monitoring port. */
export async function examine(options: Options, line: LogLine, monitor: string | undefined): Promise<Finding[]> {
  const rules = { checkpointMs: options.checkpoint.intervalMs, aheadMsMax: options.order.aheadMaxMs };
  if (isSql(options)) {
    const path = sqlitePath(options.sql.url);
    // To open a file that is not there would make it.
    if (path !== undefined && !existsSync(path)) throw new MillraceError('SQL_SCHEMA', `there is no file ${path}`);
    const { database } = await provisionSql(options, false);
    const found: Finding = { check: 'sql.schema', level: 'ok', found: `${database} has the tables of this version` };
    return [found, ...(await examineDatabase(options))];
  }
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

async function examineDatabase({ app, sql }: SqlOptions): Promise<Finding[]> {
  const path = sqlitePath(sql.url);
  const database = openDatabase(sql.url, `millrace-${app}-doctor`);
  try {
    return path === undefined
      ? diagnosePostgres(await examinePostgres(database))
      : diagnoseSqlite(await examineSqlite(database, path));
  } finally {
    await database.close();
  }
}
