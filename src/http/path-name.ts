/** A key or an id in the path of a request. */
import { problemOfName } from '../core/key/key.js';
import { MillraceError } from '../errors.js';

/**
 * The name after `prefix`, as the client wrote it: `target` is what it sent, byte for byte. The parsed URL will not do:
 * it repairs what is not well-formed, and two names that are repaired to the same text would be answered alike.
 * Throws NOT_FOUND if the path is another one, and REQUEST_INVALID; `what` names it in messages.
 */
export function nameInPath(target: string, prefix: string, what: string): string {
  const path = /^(?:https?:\/\/[^/?#]*)?([^?#]*)/.exec(target)?.[1] ?? '';
  const encoded = path.startsWith(prefix) ? path.slice(prefix.length) : '';
  if (encoded === '' || encoded.includes('/'))
    throw new MillraceError('NOT_FOUND', `the path is ${prefix} and one percent-encoded ${what}`);
  const name = decoded(encoded, what);
  const problem = problemOfName(name);
  if (problem !== undefined) throw new MillraceError('REQUEST_INVALID', `the ${what} ${problem}`);
  return name;
}

function decoded(encoded: string, what: string): string {
  try {
    if (/^[\x21-\x7e]+$/.test(encoded)) return decodeURIComponent(encoded);
  } catch {
    // Said below, together with raw bytes.
  }
  throw new MillraceError('REQUEST_INVALID', `the ${what} in the path is not percent-encoded UTF-8`);
}
