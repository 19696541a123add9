/** The text of a key in the store: its state and what is known of it. */
import { unitAt } from '../key/text-unit.js';

/** What `redis-cli HGET` shows for a key. */
export interface StateEnvelope {
  readonly state: unknown;
  /** Epoch ms; −Infinity if no event was applied. */
  readonly time: number;
  readonly id: string;
  readonly sequence: string;
  readonly applied: number;
  /** Number of the key's own sequence that was decided last, with order `sequence`. */
  readonly keySequence?: number;
}

/** The text of a key. One that was never applied is stored for its numbering only; `keySequence` with order `sequence` only. */
export function writeEnvelope(
  state: unknown,
  time: number,
  id: string,
  streamSequence: number,
  applied: number,
  keySequence: number | undefined,
): string {
  const isNew = applied === 0;
  const stateText = isNew ? 'null' : JSON.stringify(state);
  const number = keySequence === undefined ? '' : `,"keySequence":${keySequence}`;
  // Put together, which takes three quarters of the time of one `JSON.stringify` over all of it.
  return `{"state":${stateText},"time":${isNew ? 'null' : timeText(time)},"id":${jsonText(id)},"sequence":"${streamSequence}","applied":${applied}${number}}`;
}

/** Decimal digits that engines write quickly. */
const LOW_DIGITS = 1e7;
let highTime = Number.NaN;
let highText = '';

/** `String(time)`. A number of more than 31 bits takes ten times as long as two short ones, and the first of them repeats. */
function timeText(time: number): string {
  if (!Number.isSafeInteger(time) || time < LOW_DIGITS) return String(time);
  const high = Math.floor(time / LOW_DIGITS);
  if (high !== highTime) {
    highTime = high;
    highText = String(high);
  }
  return highText + String(time - high * LOW_DIGITS + LOW_DIGITS).slice(1);
}

/** `JSON.stringify(text)`. */
function jsonText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const unit = unitAt(text, i);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** Reads stored text of one key; undefined if it is not an envelope. */
export function readEnvelope(text: string): StateEnvelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { state, time, id, sequence, applied, keySequence } = value as Record<string, unknown>;
  if (typeof id !== 'string' || typeof sequence !== 'string' || !/^\d{1,16}$/.test(sequence)) return undefined;
  if (state === undefined || !isCount(applied)) return undefined;
  if (keySequence !== undefined && !isCount(keySequence)) return undefined;
  // What was never applied is stored only for its numbering; otherwise the state would start again as a new one.
  if (applied === 0 && keySequence === undefined) return undefined;
  if (applied === 0 ? time !== null : typeof time !== 'number') return undefined;
  const envelope = { state, time: (time as number | null) ?? Number.NEGATIVE_INFINITY, id, sequence, applied };
  return keySequence === undefined ? envelope : { ...envelope, keySequence };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
