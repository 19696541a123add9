/**
 * `POST /v1/events`: all events of a request are valid, or none is published. 202 with receipts means stored in the
 * stream; whether and how an event was applied shows a read with its receipt.
 */
import type { ErrorCode } from '../errors.js';
import { errorTable, MillraceError } from '../errors.js';
import type { LogLine } from '../ports/log.js';
import type { CheckedEvent, Ingest, Ingested, ReadyEvent } from '../runtime/ingest.js';
import type { Answer } from './answer.js';
import { errorAnswer, errorBody, statusOf } from './answer.js';
import { readEvents } from './events-request.js';
import { mediaOf } from './media.js';

export interface PostEventsDependencies {
  readonly ingest: Ingest;
  readonly payloadBytes: number;
  readonly line: LogLine;
}

const REQUEST = 'POST /v1/events';
/** Problems that one answer lists; it says how many there are beyond. */
const PROBLEMS_MAX = 1_000;

/** `headers` are the request's as they came, each with all its values; `Request` has joined those of one name. */
export async function postEvents(
  request: Request,
  headers: NodeJS.Dict<string[]>,
  { ingest, payloadBytes, line }: PostEventsDependencies,
): Promise<Answer> {
  const repeated = Object.keys(headers).filter((name) => name.startsWith('ce-') && (headers[name]?.length ?? 0) > 1);
  if (repeated.length > 0) throw new MillraceError('REQUEST_INVALID', `given more than once: ${repeated.join(', ')}`);
  const media = mediaOf(request.headers);
  if ('problem' in media) return errorAnswer(new MillraceError('REQUEST_INVALID', media.problem), line, REQUEST, 415);
  const { isSingle, events } = await readEvents(request, media.media, ingest, payloadBytes);
  const ready = events.filter((event): event is ReadyEvent => event.kind === 'ready');
  if (ready.length < events.length) return invalidAnswer(events, isSingle);
  const results = await ingest.append(ready);
  const receipts = results.flatMap((result) => (result.kind === 'stored' ? [result.receipt] : []));
  if (receipts.length < results.length) return failedAnswer(results, receipts.length, line);
  return { status: 202, body: isSingle ? receipts[0]! : { receipts } };
}

interface InvalidEvent {
  readonly index: number;
  readonly code: ErrorCode;
  readonly problems: readonly string[];
}

/** Every problem of every event, by index. */
function invalidAnswer(events: readonly CheckedEvent[], isSingle: boolean): Answer {
  const invalid: InvalidEvent[] = [];
  const problems: string[] = [];
  let rejected = 0;
  for (const [index, event] of events.entries()) {
    if (event.kind === 'ready') continue;
    rejected++;
    if (problems.length >= PROBLEMS_MAX) continue;
    const listed = event.problems.slice(0, PROBLEMS_MAX - problems.length);
    invalid.push({ index, code: event.code, problems: listed });
    for (const problem of listed) problems.push(isSingle ? problem : `event ${index}: ${problem}`);
  }
  const isTooLarge = invalid.every(({ code }) => code === 'EVENT_TOO_LARGE');
  const of = isSingle ? 'the event is' : `${rejected} of ${events.length} events are`;
  const some = problems.length < PROBLEMS_MAX ? '' : `, the first ${PROBLEMS_MAX} problems are listed`;
  const message = `${of} not valid, nothing was published${some}`;
  const code = isTooLarge ? 'EVENT_TOO_LARGE' : 'REQUEST_INVALID';
  const { error } = errorBody(new MillraceError(code, message, { problems }));
  return { status: statusOf(code), body: { error: { ...error, events: invalid } } };
}

/** Some were not stored, for a reason that is not theirs: says which, and under which ids they can be sent again. */
function failedAnswer(results: readonly Ingested[], storedCount: number, line: LogLine): Answer {
  const failures = results.filter((result) => result.kind === 'failed');
  const failure = failures.find(({ code }) => errorTable[code].category !== 'poison') ?? failures[0]!;
  const { status } = errorAnswer(failure.error, line, REQUEST);
  const { error } = errorBody(failure.error);
  const message = `${storedCount} of ${results.length} events are stored, the others can be sent again under their ids: ${error.message}`;
  return {
    // What the log refuses to a whole node is the node's to put right, not the caller's.
    status: errorTable[error.code].category === 'misuse' ? 503 : status,
    body: {
      error: { ...error, message },
      results: results.map((result) =>
        result.kind === 'stored'
          ? { id: result.id, stored: 'yes', receipt: result.receipt }
          : { id: result.id, stored: result.stored, code: result.code },
      ),
    },
  };
}
