/** The body of an event from a file, as an operator corrects it. */
import { readFileSync } from 'node:fs';
import { MillraceError, messageOf } from '../errors.js';

/** The text, byte for byte. Throws OPTIONS_INVALID if it cannot be read, and REQUEST_INVALID if it is no JSON in UTF-8. */
export function readEventFile(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MillraceError('OPTIONS_INVALID', `the file ${path} cannot be read (${code})`, { cause });
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new MillraceError('REQUEST_INVALID', `${path} is not JSON in UTF-8: ${messageOf(cause)}`, { cause });
  }
}
