/** The stream of an application: made where it is missing, never changed where it is not, judged in both cases. */
import type { JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { DiscardPolicy, JetStreamApiError, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { nanos } from '@nats-io/nats-core';
import { MillraceError } from '../../errors.js';
import { judgeStream, type StreamSettings } from './judge-stream.js';
import { isStreamMissing, natsError } from './nats-errors.js';

export type { StreamSettings } from './judge-stream.js';

/** A stream that may be used. */
export interface StreamReport {
  readonly stream: string;
  readonly created: boolean;
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  /** 0 for never and for no limit. */
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly duplicateWindowMs: number;
  /** Lowest and highest sequence, as `EventLog.info` has them. */
  readonly first: number;
  readonly last: number;
  /** Version of the server that answered. */
  readonly server: string;
  /** What may be meant so and what it leads to, each a sentence without its full stop. */
  readonly warnings: readonly string[];
}

/** Versions from which on known losses are mended: the oldest recommended release of each minor that has one. */
const recommended = [
  [2, 11, 15],
  [2, 12, 6],
] as const;

/** Status of an answer where a request may be understood another time. */
const UNAVAILABLE = 503;

/**
 * Looks at the stream and, if it is missing and `create` is true, makes it first. What the server made of it is read
 * back, because older servers pass over what they do not know.
 * @throws MillraceError `STREAM_MISSING`; `STREAM_UNSUITABLE` with every problem; `NATS_UNREACHABLE`.
 */
export async function ensureStream(
  connection: NatsConnection,
  settings: StreamSettings,
  { create }: { readonly create: boolean },
): Promise<StreamReport> {
  const jsm = await jetstreamManager(connection, { checkAPI: false });
  const found = await find(jsm, settings.name);
  if (found === undefined && !create)
    throw new MillraceError(
      'STREAM_MISSING',
      `there is no stream ${settings.name} for ${settings.subjects.join(', ')}`,
    );
  const created = found === undefined && (await make(jsm, settings));
  const info = found ?? (await find(jsm, settings.name));
  if (info === undefined) throw new MillraceError('STREAM_MISSING', `stream ${settings.name} was deleted meanwhile`);
  const judged = judgeStream(info.config, settings);
  const problems = [...judged.problems, ...(created ? differences(info.config, settings) : [])];
  if (problems.length > 0) {
    const message = `stream ${settings.name} cannot be used: ${problems.join('; ')}`;
    throw new MillraceError('STREAM_UNSUITABLE', message, { problems });
  }
  const server = connection.info?.version ?? 'unknown';
  return report(info, created, server, [...judged.warnings, ...versionWarnings(server)]);
}

async function find(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw natsError('reading the stream configuration', error, name);
  }
}

/** False if somebody else made a stream of this name at the same moment. */
async function make(jsm: JetStreamManager, settings: StreamSettings): Promise<boolean> {
  try {
    await jsm.streams.add(configOf(settings));
    return true;
  } catch (error) {
    const isAnswer = error instanceof JetStreamApiError && error.status !== UNAVAILABLE;
    if (!isAnswer) throw natsError('creating the stream', error, settings.name);
    if (error.code === NAME_IN_USE) return false;
    // The server understood and refused: subjects of another stream, three replicas where there is one server.
    const message = `stream ${settings.name} cannot be created: ${error.message}`;
    throw new MillraceError('STREAM_UNSUITABLE', message, { cause: error, problems: [error.message] });
  }
}

/** Code of the refusal to create a stream whose name another one has. */
const NAME_IN_USE = 10058;

function configOf(settings: StreamSettings): Partial<StreamConfig> & { name: string } {
  return {
    name: settings.name,
    subjects: [...settings.subjects],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: settings.replicas,
    max_age: nanos(settings.maxAgeMs),
    max_bytes: settings.maxBytes === 0 ? -1 : settings.maxBytes,
    duplicate_window: nanos(settings.duplicateWindowMs),
    allow_direct: true,
  };
}

/** What the server made otherwise than it was told. */
function differences(config: Partial<StreamConfig>, settings: StreamSettings): string[] {
  const wanted = configOf(settings);
  return (Object.keys(wanted) as (keyof typeof wanted)[])
    .filter((field) => JSON.stringify(config[field]) !== JSON.stringify(wanted[field]))
    .map((field) => `${field} is ${JSON.stringify(config[field])}, asked for was ${JSON.stringify(wanted[field])}`);
}

function report({ config, state }: StreamInfo, created: boolean, server: string, warnings: string[]): StreamReport {
  return {
    stream: config.name,
    created,
    subjects: config.subjects ?? [],
    storage: config.storage,
    replicas: config.num_replicas,
    maxAgeMs: config.max_age / nanos(1),
    maxBytes: Math.max(0, config.max_bytes),
    duplicateWindowMs: (config.duplicate_window ?? 0) / nanos(1),
    first: Math.max(state.first_seq, 1),
    last: state.last_seq,
    server,
    warnings,
  };
}

/** A warning where the server is older than the releases that mend known losses; a distribution may have mended its own. */
export function versionWarnings(version: string): string[] {
  const [major = 0, minor = 0, patch = 0] = (/^\d+\.\d+\.\d+/.exec(version)?.[0] ?? '0').split('.').map(Number);
  const least = recommended.find((one) => one[0] === major && one[1] === minor) ?? recommended[0];
  const isOld = major !== least[0] ? major < least[0] : minor !== least[1] ? minor < least[1] : patch < least[2];
  if (!isOld) return [];
  const names = recommended.map((one) => one.join('.')).join(' or ');
  return [
    `nats-server is ${version}: ${names} is recommended, unless your distribution has back-ported its corrections`,
  ];
}
