/** The body of a request that changes something: `{"action", "body"?}`, JSON, with nothing else in it. */
import { isObject } from '../core/event/json.js';
import { MillraceError, messageOf } from '../errors.js';
import type { Answer } from './answer.js';
import { errorAnswer } from './answer.js';
import { readBody } from './request-body.js';

/** The actions that there are, each with whether a new body for the event belongs to it. */
export type Actions<A extends string> = Readonly<Record<A, 'needs body' | 'may have body' | 'no body'>>;

export interface ChangeRequest<A extends string> {
  readonly action: A;
  /** Text that takes the place of the event's own. */
  readonly body: string | undefined;
}

const FRAME_BYTES = 65_536;

/**
 * Reads and checks a change. A body that is text is taken byte for byte; any other JSON value is written as JSON, which
 * rounds numbers beyond 2^53. Throws REQUEST_INVALID and EVENT_TOO_LARGE.
 */
export async function readChange<A extends string>(
  request: Request,
  actions: Actions<A>,
  payloadBytes: number,
): Promise<ChangeRequest<A>> {
  // Escapes may double the text of an event.
  const bytes = await readBody(request.body, 2 * payloadBytes + FRAME_BYTES);
  const value = parsed(bytes);
  if (!isObject(value)) throw new MillraceError('REQUEST_INVALID', 'the body is not a JSON object');
  const { action, body, ...others } = value;
  const problems = Object.keys(others).map((name) => `${JSON.stringify(name.slice(0, 100))}: is no field`);
  const isKnown = (name: unknown): name is A => typeof name === 'string' && Object.hasOwn(actions, name);
  if (!isKnown(action)) problems.push(`"action": must be one of ${Object.keys(actions).join(', ')}`);
  else if (actions[action] === 'needs body' && body === undefined) problems.push(`"body": ${action} needs one`);
  else if (actions[action] === 'no body' && body !== undefined) problems.push(`"body": ${action} takes none`);
  if (problems.length > 0 || !isKnown(action))
    throw new MillraceError('REQUEST_INVALID', problems.join('; '), { problems });
  return { action, body: body === undefined ? undefined : eventText(body, payloadBytes) };
}

function eventText(body: unknown, bytesMax: number): string {
  let text: string;
  try {
    text = typeof body === 'string' ? body : JSON.stringify(body);
  } catch (error) {
    throw new MillraceError('REQUEST_INVALID', `"body": ${messageOf(error)}`);
  }
  if (/\p{Surrogate}/u.test(text)) throw new MillraceError('REQUEST_INVALID', '"body": is not well-formed Unicode');
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax)
    throw new MillraceError('EVENT_TOO_LARGE', `the body of the event has ${bytes} bytes, allowed are ${bytesMax}`);
  return text;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MillraceError('REQUEST_INVALID', `the body is not JSON in UTF-8: ${messageOf(error)}`);
  }
}

/**
 * 415 unless the request says that it carries JSON, else undefined. It is more than politeness: what a web page
 * elsewhere may send without asking first is never JSON, so no page can make its reader's browser change anything.
 */
export function refuseMedia(request: Request, name: string): Answer | undefined {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return undefined;
  const error = new MillraceError('REQUEST_INVALID', 'the content type must be application/json');
  return errorAnswer(error, () => undefined, name, 415);
}
