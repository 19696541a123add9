/**
 * Where the parts of an event come from. The default reads `events.<key>` with Millrace's JSON body or a
 * CloudEvent; an existing stream names its own places and works unchanged.
 */
import { parsePointer } from './json.js';

/** One place: a subject token (1-based), a header, a JSON pointer into the body, or several hashed to an id. */
export type Place =
  | { readonly kind: 'auto' }
  | { readonly kind: 'token'; readonly index: number }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'pointer'; readonly path: readonly string[] }
  | { readonly kind: 'content'; readonly paths: readonly (readonly string[])[] };

/** Which part of an event a place is for. */
export type EventPart = 'id' | 'key' | 'time' | 'sequence' | 'type' | 'data';

export type EventFormat = Readonly<Record<EventPart, Place>>;

/** Whether the key is in the subject and everything else where Millrace's own body has it. */
export function isOwnConvention({ id, key, time, sequence, type, data }: EventFormat): boolean {
  if (key.kind !== 'token' || id.kind !== 'auto' || time.kind !== 'auto') return false;
  return sequence.kind === 'auto' && type.kind === 'auto' && data.kind === 'auto';
}

const kindsOf: Readonly<Record<EventPart, readonly Place['kind'][]>> = {
  id: ['auto', 'token', 'header', 'pointer', 'content'],
  key: ['token', 'header', 'pointer'],
  time: ['auto', 'header', 'pointer'],
  sequence: ['auto', 'header', 'pointer'],
  type: ['auto', 'token', 'header', 'pointer'],
  data: ['auto', 'pointer'],
};

/**
 * Reads a place as written in the options: `auto`, `subject:2`, `header:Order-Id`, `json:/order/id`, `body`,
 * `content:/a,/b`. Returns the place, or a phrase that says what is wrong.
 */
export function parsePlace(part: EventPart, text: string): Place | string {
  const place = placeOf(text);
  if (typeof place === 'string') return place;
  if (!kindsOf[part].includes(place.kind)) return `cannot come from "${text}"`;
  return place;
}

function placeOf(text: string): Place | string {
  if (text === 'auto') return { kind: 'auto' };
  if (text === 'body') return { kind: 'pointer', path: [] };
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (text.slice(0, colon)) {
    case 'subject':
      return /^[1-9]\d?$/.test(rest) ? { kind: 'token', index: Number(rest) } : 'needs a token number, as in subject:2';
    case 'header':
      return /^[!#-'*+.^-~\w-]+$/.test(rest) ? { kind: 'header', name: rest.toLowerCase() } : 'needs a header name';
    case 'json': {
      const path = parsePointer(rest);
      return path === undefined ? 'needs a JSON pointer, as in json:/order/id' : { kind: 'pointer', path };
    }
    case 'content': {
      const paths = rest.split(',').map(parsePointer);
      return paths.some((path) => path === undefined)
        ? 'needs JSON pointers separated by commas, as in content:/order/id,/status'
        : { kind: 'content', paths: paths as string[][] };
    }
    default:
      return 'must be auto, body, subject:N, header:NAME, json:POINTER or content:POINTER,…';
  }
}
