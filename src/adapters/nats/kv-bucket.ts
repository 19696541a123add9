/** The KV bucket of an application: made by whoever provisions, used by nodes that may not make one. */
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import { MillraceError } from '../../errors.js';
import { natsError } from './nats-errors.js';

const REQUEST_MS = 5_000;
/** Status of an answer that another time may be another one. */
const UNAVAILABLE = 503;

/** Name of the bucket of an application. */
export function bucketName(app: string): string {
  return `millrace-${app}`;
}

/**
 * Creates the bucket if it is not there, and reads back what the server made of it or had already.
 * @throws MillraceError `STREAM_UNSUITABLE` for a bucket that forgets, has other replicas or cannot be had;
 *   `NATS_UNREACHABLE`.
 */
export async function createBucket(nc: NatsConnection, app: string, replicas: number): Promise<void> {
  const bucket = bucketName(app);
  const problems: string[] = [];
  try {
    const js = jetstream(nc, { timeout: REQUEST_MS });
    const kv = await new Kvm(js).create(bucket, { replicas, history: 1, description: `Millrace ${app}` });
    const status = await kv.status();
    // An entry that expires takes the proof with it that a checkpoint must exist.
    if (status.ttl > 0) problems.push(`entries expire after ${status.ttl} ms; they must not`);
    if (status.storage !== 'file') problems.push(`storage is ${status.storage}; it must be file`);
    if (status.replicas !== replicas) problems.push(`replicas are ${status.replicas}, asked for were ${replicas}`);
  } catch (error) {
    // The server understood and refused, for example three replicas where there is one server.
    if (error instanceof JetStreamApiError && error.status !== UNAVAILABLE) {
      throw new MillraceError('STREAM_UNSUITABLE', `KV bucket ${bucket} cannot be created: ${error.message}`);
    }
    throw natsError(`creating KV bucket ${bucket}`, error);
  }
  if (problems.length === 0) return;
  throw new MillraceError('STREAM_UNSUITABLE', `KV bucket ${bucket}: ${problems.join('; ')}`, { problems });
}
