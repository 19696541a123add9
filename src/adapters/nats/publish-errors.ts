/** Why an event was not stored, as one of our errors: `transient` may be tried again with the same id, the rest may not. */
import { InvalidArgumentError, InvalidSubjectError } from '@nats-io/nats-core';
import { MillraceError, messageOf } from '../../errors.js';
import type { NewEvent } from '../../ports/event-log.js';

/** Error codes of JetStream. Source: nats-server `server/errors.json`. */
const MESSAGE_TOO_LARGE = 10054;
const HEADER_TOO_LARGE = 10097;
const OTHER_STREAM = 10060;
const STREAM_SEALED = 10109;

/** JetStream, or nobody, answered something other than an acknowledgement. */
export function answerError({ subject }: NewEvent, code: number, text: string): MillraceError {
  const message = `publishing to ${JSON.stringify(subject)}: ${text}`;
  switch (code) {
    case MESSAGE_TOO_LARGE:
    case HEADER_TOO_LARGE:
      return new MillraceError('EVENT_TOO_LARGE', message, { problems: [text] });
    case OTHER_STREAM:
    case STREAM_SEALED:
      return new MillraceError('STREAM_UNSUITABLE', message, { problems: [text] });
    default:
      // Full, busy, without a leader: all of these pass.
      return new MillraceError('NATS_UNREACHABLE', message);
  }
}

/** The client library refused to send the event. */
export function sendError(event: NewEvent, cause: unknown): MillraceError {
  const text = messageOf(cause);
  const message = `publishing to ${JSON.stringify(event.subject)}: ${text}`;
  if (cause instanceof InvalidArgumentError && /max_payload/.test(text)) {
    const problem = `nats-server does not take events of ${event.body.length} bytes`;
    return new MillraceError('EVENT_TOO_LARGE', problem, { cause, problems: [problem] });
  }
  if (cause instanceof InvalidSubjectError || cause instanceof InvalidArgumentError)
    return new MillraceError('REQUEST_INVALID', message, { cause, problems: [text] });
  return new MillraceError('NATS_UNREACHABLE', message, { cause });
}
