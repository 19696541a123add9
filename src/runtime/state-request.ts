/** A request for a key's state as it comes over NATS: `{"key","after"?,"waitMs"?}`, or the key alone as text. */
import { isObject } from '../core/event/json.js';
import { MillraceError } from '../errors.js';
import type { KeyState, StateReader } from './state-reader.js';
import { parseReceipt } from './state-reader.js';

const WAIT_MS_MAX = 60_000;

/** Throws REQUEST_INVALID, and what `StateReader.get` throws. */
export async function answerStateRequest(request: Uint8Array, reader: StateReader): Promise<KeyState> {
  const text = new TextDecoder().decode(request);
  if (!text.startsWith('{')) return reader.get(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isObject(value) || typeof value.key !== 'string')
    throw new MillraceError('REQUEST_INVALID', 'the request is a key, or JSON with a "key"');
  const { key, after, waitMs } = value;
  if (after !== undefined && typeof after !== 'string')
    throw new MillraceError('REQUEST_INVALID', '"after" must be a receipt, stream:sequence:partition');
  if (waitMs !== undefined && !(typeof waitMs === 'number' && waitMs >= 0 && waitMs <= WAIT_MS_MAX))
    throw new MillraceError('REQUEST_INVALID', `"waitMs" must be a number from 0 to ${WAIT_MS_MAX}`);
  return reader.get(key, after === undefined ? undefined : parseReceipt(after), waitMs);
}
