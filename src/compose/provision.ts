/** What a node needs before it starts. Part of the composition root. */
import type { StreamReport } from '../adapters/nats/provision.js';
import type { RedisFacts } from '../adapters/redis/check-redis.js';
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import { isSql } from './backend.js';
import type { SqlProvisioned } from './sql-backend.js';

/** What a node needs before it starts, as it was found or made. */
export interface Provisioned {
  readonly streams: readonly StreamReport[];
  /** With several streams: what the server must be told. */
  readonly mapping: MappingReport | undefined;
  /** Streams that were closed, by this call or an earlier one, and hold what was stored before. */
  readonly earlier: readonly string[];
  readonly bucket: string;
  readonly redis: RedisFacts;
}

export interface MappingReport {
  readonly from: string;
  readonly to: string;
  /** For the server's configuration. */
  readonly block: string;
  /** Why the server does not do this yet; undefined if it does. */
  readonly problem: string | undefined;
}

export interface ProvisionTask {
  /** Make what is missing; else it is an error. */
  readonly create: boolean;
  /** Close the streams there are, for good, and go on in those that the options name. */
  readonly move: boolean;
}

/**
 * Creates the streams and the bucket (or the tables) where they are missing, reads both back, and checks Redis.
 * Throws `STREAM_MISSING`, `STREAM_UNSUITABLE`, `LAYOUT_MISMATCH` for other streams than the application has,
 * `REDIS_UNSUITABLE`, and after a few seconds `…_UNREACHABLE`.
 */
export async function provision(
  options: Options,
  line: LogLine,
  task: ProvisionTask,
): Promise<Provisioned | SqlProvisioned> {
  if (isSql(options)) {
    const { provisionSql } = await import('./sql-backend.js');
    return provisionSql(options, task.create);
  }
  const { provisionServices } = await import('./provision-services.js');
  return provisionServices(options, line, task);
}
