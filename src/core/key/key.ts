/**
 * Keys and ids: what is allowed, and how a key becomes a NATS subject token.
 *
 * Invariants
 * U1. Keys and ids are compared byte for byte: nothing trims, folds case or normalises them.
 * U2. `tokenOfKey` is injective, and an ordinary key is its own token, so any client's subject hashes as ours does.
 * U3. `keyOfToken` accepts exactly the image of `tokenOfKey`; any other token is refused, not repaired.
 */
import { unitAt } from './text-unit.js';

/** Longest key or id, in UTF-8 bytes. */
export const KEY_BYTES_MAX = 256;

/** The text of a key or id as JSON may give it: text, or a whole number that a double carries exactly; else undefined. */
export function nameOf(value: unknown): string | undefined {
  return Number.isSafeInteger(value) ? String(value) : typeof value === 'string' ? value : undefined;
}

/** What is wrong with `text` as a key or id, as a phrase, or undefined if nothing is. */
export function problemOfName(text: string): string | undefined {
  if (text.length === 0) return 'is empty';
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = unitAt(text, i);
    if (unit < 0x80) {
      if (unit < 0x20 || unit === 0x7f) return 'contains a control character';
      bytes += 1;
    } else if (unit < 0xa0) {
      return 'contains a control character';
    } else if (unit < 0x800) {
      bytes += 2;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes += 3;
    } else {
      const low = unit < 0xdc00 ? unitAt(text, i + 1) : Number.NaN;
      if (!(low >= 0xdc00 && low <= 0xdfff)) return 'is not well-formed Unicode';
      bytes += 4;
      i++;
    }
  }
  if (bytes > KEY_BYTES_MAX) return `is longer than ${KEY_BYTES_MAX} bytes`;
  if (isSpace(unitAt(text, 0)) || isSpace(unitAt(text, text.length - 1))) return 'begins or ends with white space';
  return undefined;
}

/** Whether nothing can be wrong with `text` as a key or id, because it is printable ASCII. Most are. */
export function isPlainName(text: string): boolean {
  if (text.length === 0 || text.length > KEY_BYTES_MAX) return false;
  for (let i = 0; i < text.length; i++) {
    const unit = unitAt(text, i);
    if (unit <= 0x20 || unit >= 0x7f) return false;
  }
  return true;
}

/** White space as Unicode's White_Space property has it, for single UTF-16 units. */
function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return (
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000 ||
    unit === 0xfeff
  );
}

/** Bytes that a subject token may not hold: controls, space, `.`, `*`, `>`, `%`, DEL. */
function isReserved(byte: number): boolean {
  return byte <= 0x20 || byte === 0x2e || byte === 0x2a || byte === 0x3e || byte === 0x25 || byte === 0x7f;
}

const HEX = '0123456789ABCDEF';

/** The subject token of a key: its text with only the reserved bytes percent-encoded. */
export function tokenOfKey(key: string): string {
  let from = 0;
  let token = '';
  for (let i = 0; i < key.length; i++) {
    const unit = unitAt(key, i);
    if (!isReserved(unit)) continue;
    token += `${key.slice(from, i)}%${HEX[unit >> 4]}${HEX[unit & 15]}`;
    from = i + 1;
  }
  return from === 0 ? key : token + key.slice(from);
}

/** Whether a byte of a subject token stands for itself. */
export function isPlainByte(byte: number): boolean {
  return byte < 0x7f && !isReserved(byte);
}

/** Whether `text` is `bytes[from, to)` in ASCII. */
export function isAscii(text: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) if (unitAt(text, i) !== bytes[from + i]) return false;
  return true;
}

/** Whether `token` is a key as it is: printable ASCII with nothing encoded. */
export function isPlainKey(token: string): boolean {
  if (token.length === 0 || token.length > KEY_BYTES_MAX) return false;
  for (let i = 0; i < token.length; i++) {
    const unit = unitAt(token, i);
    if (unit > 0x7f || isReserved(unit)) return false;
  }
  return true;
}

/** The key of a subject token, or undefined if the token is not in the form that `tokenOfKey` makes. */
export function keyOfToken(token: string): string | undefined {
  let from = 0;
  let key = '';
  for (let i = 0; i < token.length; i++) {
    const unit = unitAt(token, i);
    if (!isReserved(unit)) continue;
    if (unit !== 0x25) return undefined;
    const high = HEX.indexOf(token[i + 1] ?? '?');
    const low = HEX.indexOf(token[i + 2] ?? '?');
    if (high < 0 || low < 0 || !isReserved(high * 16 + low)) return undefined;
    key += token.slice(from, i) + String.fromCharCode(high * 16 + low);
    i += 2;
    from = i + 1;
  }
  return from === 0 ? token : key + token.slice(from);
}
