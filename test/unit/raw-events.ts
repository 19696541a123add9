/** Raw events and formats for tests of the decoder and of the actor. */

import type { RawEvent } from '../../src/core/event/event.js';
import type { EventFormat, EventPart } from '../../src/core/event/event-format.js';
import { parsePlace } from '../../src/core/event/event-format.js';
import { tokenOfKey } from '../../src/core/key/key.js';

/** 2023-11-14T22:13:20Z, a round number of epoch milliseconds. */
export const T0 = 1_700_000_000_000;

/** An event of key `account-1` at `T0`, with what is named here instead. `headers` are lines without CR LF. */
export function rawEvent(
  over: Partial<Omit<RawEvent, 'headers'>> & { json?: unknown; headers?: readonly string[]; key?: string } = {},
): RawEvent {
  const { json, headers, key = 'account-1', ...rest } = over;
  const token = tokenOfKey(key);
  return {
    subject: `events.${token}`,
    token,
    body: json === undefined ? '{"id":"e1"}' : JSON.stringify(json),
    encoding: 'utf8',
    streamSequence: 1,
    streamTime: T0,
    headers: headers === undefined ? undefined : ['NATS/1.0', ...headers, ''].join('\r\n'),
    ...rest,
  };
}

/** A format from the texts a user writes; what is not named is read as by default. */
export function formatOf(places: Partial<Record<EventPart, string>> = {}): EventFormat {
  const texts = { id: 'auto', key: 'subject:2', time: 'auto', sequence: 'auto', type: 'auto', data: 'auto', ...places };
  const place = (part: EventPart) => {
    const parsed = parsePlace(part, texts[part]);
    if (typeof parsed === 'string') throw new Error(`${part}: ${texts[part]} ${parsed}`);
    return parsed;
  };
  return {
    id: place('id'),
    key: place('key'),
    time: place('time'),
    sequence: place('sequence'),
    type: place('type'),
    data: place('data'),
  };
}
