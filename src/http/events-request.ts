/**
 * The events of a request to publish, each checked. A request is read and checked as a whole before anything of it
 * is published, so it is bounded: in bytes, in the length of a line, in events.
 */
import { isTooDeep } from '../core/event/json.js';
import type { Rejection } from '../core/event/reject.js';
import { MillraceError } from '../errors.js';
import type { CheckedEvent, Ingest } from '../runtime/ingest.js';
import type { CloudEventFields } from './cloud-events.js';
import { fieldsOfBinary, fieldsOfStructured } from './cloud-events.js';
import type { Media } from './media.js';
import { readBody, readLines } from './request-body.js';

export interface EventsRequest {
  /** The body was one event, not a list of them. */
  readonly isSingle: boolean;
  readonly events: readonly CheckedEvent[];
}

/** Most events of one request. */
const EVENTS_MAX = 10_000;
const LINES_MAX = 2 * EVENTS_MAX;
const BODY_BYTES_MIN = 8 * 2 ** 20;

/** Longest body: any event that is allowed has room in it, with escapes and white space. */
const bodyBytesMax = (payloadBytes: number): number => Math.max(BODY_BYTES_MIN, 2 * payloadBytes);

/**
 * Reads and checks. Throws EVENT_TOO_LARGE where the whole is too large, and REQUEST_INVALID or EVENT_TOO_DEEP where
 * single events cannot be told apart; what is wrong with an event is in its place.
 */
export async function readEvents(
  request: Request,
  media: Media,
  ingest: Ingest,
  payloadBytes: number,
): Promise<EventsRequest> {
  const bytesMax = bodyBytesMax(payloadBytes);
  if (media === 'lines') {
    const events: CheckedEvent[] = [];
    let lines = 0;
    await readLines(request.body, { lineBytesMax: payloadBytes, bytesMax }, (line) => {
      // Blank lines count too, or a body of them would cost as much as one of events.
      if (++lines > LINES_MAX || events.length >= EVENTS_MAX) throw tooMany();
      const event = eventOfLine(line, ingest, payloadBytes);
      if (event !== undefined) events.push(event);
    });
    return { isSingle: false, events };
  }
  const text = textOf(await readBody(request.body, bytesMax));
  if (text === undefined) throw new MillraceError('REQUEST_INVALID', 'the body is not UTF-8');
  if (media === 'binary') {
    const data = text === '' ? undefined : parsed(text);
    return { isSingle: true, events: [checked(fieldsOfBinary(request.headers, data), ingest)] };
  }
  const value = parsed(text);
  const list = media === 'cloudevents' || (media === 'json' && Array.isArray(value)) ? value : [value];
  if (!Array.isArray(list)) throw new MillraceError('REQUEST_INVALID', 'a batch of CloudEvents is a JSON array');
  if (list.length > EVENTS_MAX) throw tooMany();
  const events = list.map((item) =>
    media === 'json' ? ingest.check(item) : checked(fieldsOfStructured(item), ingest),
  );
  return { isSingle: list !== value, events };
}

function checked({ fields, problems }: CloudEventFields, ingest: Ingest): CheckedEvent {
  const event = ingest.check(fields);
  if (problems.length === 0) return event;
  return rejected('EVENT_INVALID', [...problems, ...(event.kind === 'rejected' ? event.problems : [])]);
}

/** Undefined for an empty line. */
function eventOfLine(line: Uint8Array | number, ingest: Ingest, bytesMax: number): CheckedEvent | undefined {
  if (typeof line === 'number')
    return rejected('EVENT_TOO_LARGE', [`the line has ${line} bytes, allowed are ${bytesMax}`]);
  const text = textOf(line);
  if (text === undefined) return rejected('EVENT_NOT_UTF8', ['the line is not UTF-8']);
  if (text.trim() === '') return undefined;
  if (isTooDeep(text)) return rejected('EVENT_TOO_DEEP', ['the event nests deeper than 64 levels']);
  try {
    return ingest.check(JSON.parse(text));
  } catch (error) {
    return rejected('EVENT_INVALID', [`the line is not JSON: ${(error as Error).message}`]);
  }
}

/** The value of a body. Its depth is bounded before it is parsed: a list may be one level deeper than its events. */
function parsed(text: string): unknown {
  const start = /^\s*\[/.exec(text);
  if (isTooDeep(start === null ? text : text.slice(start[0].length)))
    throw new MillraceError('EVENT_TOO_DEEP', 'an event nests deeper than 64 levels');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError('REQUEST_INVALID', `the body is not JSON: ${(error as Error).message}`);
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function rejected(code: Rejection['code'], problems: readonly string[]): CheckedEvent {
  return { kind: 'rejected', code, problems };
}

function tooMany(): MillraceError {
  return new MillraceError('EVENT_TOO_LARGE', `a request carries at most ${EVENTS_MAX} events; send fewer per request`);
}
