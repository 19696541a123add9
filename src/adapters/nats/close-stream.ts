/**
 * Closing a stream for good: it keeps its events, takes no more, and gives its subjects up to the streams that follow.
 *
 * Sealing cannot be undone, which is the point: the last sequence that is answered here stays the last, so that the
 * positions of what follows can count on from it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { StreamConfig } from '@nats-io/jetstream';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { MillraceError } from '../../errors.js';
import { natsError } from './nats-errors.js';

/** What was on its way to a replicated stream may still be written after the change of its configuration. */
const QUIET_MS = 1_000;

/**
 * Seals the stream, frees its subjects, and answers its last sequence. Calling it again answers the same.
 * @throws MillraceError `STREAM_MISSING`, `STREAM_UNSUITABLE` where the server does not do it, `NATS_UNREACHABLE`.
 */
export async function closeStream(connection: NatsConnection, stream: string): Promise<number> {
  try {
    const jsm = await jetstreamManager(connection, { checkAPI: false });
    const { config } = await jsm.streams.info(stream);
    const closed: Partial<StreamConfig> = { ...config, subjects: [closedSubject(stream)], sealed: true };
    if (!config.sealed) await jsm.streams.update(stream, closed);
    for (let last = -1; ; ) {
      const info = await jsm.streams.info(stream);
      if (!info.config.sealed)
        throw new MillraceError('STREAM_UNSUITABLE', `stream ${stream} cannot be sealed on this server`);
      if (info.state.last_seq === last || info.config.num_replicas === 1) return info.state.last_seq;
      last = info.state.last_seq;
      await pause(QUIET_MS);
    }
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw natsError('closing the stream', error, stream);
  }
}

/** A stream must have a subject; nobody publishes to this one, and a sealed stream would not take it. */
function closedSubject(stream: string): string {
  return `$MILLRACE.closed.${stream}`;
}
