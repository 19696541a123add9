/** Errors as answers: one body for all of them, and the status that follows from the code. */
import type { ErrorCategory, ErrorCode } from '../errors.js';
import { errorTable, MillraceError, messageOf } from '../errors.js';
import { redactCredentials } from '../observability/redact.js';
import type { LogLine } from '../ports/log.js';

/** What every refused request gets. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly problems: readonly string[];
    /** What to do about it, one sentence. */
    readonly next: string;
  };
}

/** An answer before it becomes bytes. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

const statusOfCategory: Readonly<Record<ErrorCategory, number>> = {
  transient: 503,
  poison: 400,
  fenced: 503,
  corrupt: 500,
  misuse: 500,
  bug: 500,
};

const statusOfCode: Partial<Readonly<Record<ErrorCode, number>>> = {
  REQUEST_INVALID: 400,
  FORBIDDEN: 401,
  READ_ONLY: 403,
  NOT_FOUND: 404,
  OWNED_ELSEWHERE: 421,
  EVENT_TOO_LARGE: 413,
  NOT_REFLECTED: 504,
  // An operator has to do something else first.
  DEAD_LETTERS_FULL: 409,
  PARKED_FULL: 409,
  SEQUENCE_GAP: 409,
  // Whether the thread has done it is not known; the next one is about to answer.
  THREAD_LOST: 503,
  // JetStream answers the same while it has no leader as when nobody takes the subject.
  STREAM_MISSING: 503,
};

export function statusOf(code: ErrorCode): number {
  return statusOfCode[code] ?? statusOfCategory[errorTable[code].category];
}

/** The body for an error. What an unexpected one says is for the log only: nobody has checked it for secrets. */
export function errorBody(error: unknown): ErrorBody {
  if (!(error instanceof MillraceError) || error.category === 'bug') {
    const code = error instanceof MillraceError ? error.code : 'BUG';
    return {
      error: {
        code,
        message: 'an internal error; the log of the node has it',
        problems: [],
        next: errorTable[code].next,
      },
    };
  }
  const message = redactCredentials(messageOf(error));
  const problems = error.problems.length > 0 ? error.problems : [message];
  return { error: { code: error.code, message, problems, next: error.next } };
}

/** The answer to an error; what is not the caller's doing, nor an outage that is logged elsewhere, is logged. */
export function errorAnswer(error: unknown, line: LogLine, request: string, status?: number): Answer {
  const body = errorBody(error);
  const answer = { status: status ?? statusOf(body.error.code), body };
  if (answer.status === 500) line('error', 'http.failed', { request, code: body.error.code, error: messageOf(error) });
  return answer;
}
