/** What a nats-server and its streams say of themselves, for people who want to know whether they are set safely. */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { nanos } from '@nats-io/nats-core';
import { messageOf } from '../../errors.js';
import { judgeStream, type StreamSettings } from './judge-stream.js';
import { natsError } from './nats-errors.js';
import { versionWarnings } from './provision.js';

export interface NatsExamination {
  readonly version: string;
  readonly versionWarnings: readonly string[];
  readonly syncInterval: string | undefined;
  readonly skewMs: number | undefined;
  readonly streams: readonly {
    readonly name: string;
    readonly replicas: number;
    readonly storage: string;
    readonly maxAgeMs: number;
    readonly duplicateWindowMs: number;
    readonly warnings: readonly string[];
  }[];
  readonly refused: readonly string[];
}

const MONITOR_MS_MAX = 3_000;

/**
 * Looks at the server, at the streams, and whether our user may read them; `tryOut` does what a node does at its start.
 * `monitor` is the base URL of the server's monitoring port. Throws NATS_UNREACHABLE and STREAM_MISSING.
 */
export async function examineNats(
  connection: NatsConnection,
  settings: readonly StreamSettings[],
  monitor: string | undefined,
  tryOut: readonly (readonly [what: string, act: () => Promise<unknown>])[],
): Promise<NatsExamination> {
  const jsm = await jetstreamManager(connection, { checkAPI: false });
  const version = connection.info?.version ?? 'unknown';
  const streams = [];
  let skewMs: number | undefined;
  for (const one of settings) {
    const before = Date.now();
    const info = await jsm.streams.info(one.name).catch((error: unknown) => {
      throw natsError('reading the stream configuration', error, one.name);
    });
    if (info.ts !== undefined) skewMs = Date.parse(String(info.ts)) - (before + Date.now()) / 2;
    const { config } = info;
    const judged = judgeStream(config, one);
    streams.push({
      name: one.name,
      replicas: config.num_replicas,
      storage: config.storage,
      maxAgeMs: config.max_age / nanos(1),
      duplicateWindowMs: (config.duplicate_window ?? 0) / nanos(1),
      warnings: [
        ...judged.problems,
        ...judged.warnings.filter((text) => !/^(max_age|duplicate_window|num_rep)/.test(text)),
      ],
    });
  }
  const refused: string[] = [];
  for (const [what, act] of tryOut) await act().catch((error: unknown) => refused.push(`${what}: ${messageOf(error)}`));
  const syncInterval = monitor === undefined ? undefined : await syncIntervalOf(monitor);
  return { version, versionWarnings: versionWarnings(version), syncInterval, skewMs, streams, refused };
}

/** `always`, or a duration as the server writes it; undefined where the port does not answer or an old server says nothing. */
async function syncIntervalOf(monitor: string): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('/varz', monitor), { signal: AbortSignal.timeout(MONITOR_MS_MAX) });
    const { jetstream } = (await response.json()) as {
      jetstream?: { config?: { sync_interval?: number; sync_always?: boolean } };
    };
    if (jetstream?.config?.sync_always === true) return 'always';
    const interval = jetstream?.config?.sync_interval;
    return interval === undefined ? undefined : `${interval / 1e9} s`;
  } catch {
    return undefined;
  }
}
