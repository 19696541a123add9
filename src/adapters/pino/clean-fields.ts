/**
 * Fields of a log line made fit to be written: bounded, on one line, without credentials and without payloads,
 * whatever a caller or a publisher put into them.
 */
import { messageOf } from '../../errors.js';
import { redactCredentials } from '../../observability/redact.js';

const TEXT_MAX = 512;
const ITEMS_MAX = 32;
const DEPTH_MAX = 3;

/** Fields that hold what publishers sent or handlers made. */
const PAYLOADS = new Set(['body', 'data', 'headers', 'payload', 'record', 'state']);
/** Names that the log itself writes; a second one in the same line would leave open which counts. */
const RESERVED = new Set(['level', 'time', 'node', 'event']);

export function cleanFields(fields: object): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, ITEMS_MAX)) {
    if (value === undefined) continue;
    const text = cleanText(name);
    clean[RESERVED.has(text) ? `${text}_` : text] = PAYLOADS.has(name) ? '[left out]' : cleanValue(value, 1);
  }
  return clean;
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) return cleanText(messageOf(value));
  if (typeof value !== 'object' || ArrayBuffer.isView(value) || depth >= DEPTH_MAX) return `[${kindOf(value)}]`;
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => cleanValue(item, depth + 1));
  const fields = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(
    fields.map(([name, item]) => [cleanText(name), PAYLOADS.has(name) ? '[left out]' : cleanValue(item, depth + 1)]),
  );
}

const kindOf = (value: unknown): string => (ArrayBuffer.isView(value) ? `${value.byteLength} bytes` : typeof value);

/** Redacted first: a URL that is cut in two would show the half of its password. */
export function cleanText(text: string): string {
  const redacted = redactCredentials(text);
  const short = redacted.length > TEXT_MAX ? `${redacted.slice(0, TEXT_MAX - 1)}…` : redacted;
  return short.replaceAll(UNSAFE, escaped);
}

/** Controls, line separators, characters that change the direction of text, and halves of surrogate pairs. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
