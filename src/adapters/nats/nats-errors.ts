/** Every error of the NATS client library, as one of ours. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { MillraceError, messageOf } from '../../errors.js';

const STREAM_NOT_FOUND = 10059;
const MESSAGE_NOT_FOUND = 10037;

export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.apiError().err_code === STREAM_NOT_FOUND;
}

export function isMessageMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.apiError().err_code === MESSAGE_NOT_FOUND;
}

/** `what` was being done when `error` came. */
export function natsError(what: string, error: unknown, stream?: string): MillraceError {
  if (error instanceof MillraceError) return error;
  if (isStreamMissing(error))
    return new MillraceError('STREAM_MISSING', `${what}: there is no stream ${stream ?? ''}`.trim(), { cause: error });
  return new MillraceError('NATS_UNREACHABLE', `${what}: ${messageOf(error)}`, { cause: error });
}
