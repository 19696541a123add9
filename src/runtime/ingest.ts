/**
 * The way into the log for events that are given as JSON objects: checks them, writes them in Millrace's own form,
 * and appends them under their ids.
 *
 * Invariants
 * G1. What is appended is an event when the application reads it back: the core's decoder has said so, with the
 *     application's own format. Nothing here repeats its rules.
 * G2. Events of one call are sent in their order. After an error that the next event would meet too, nothing more is
 *     sent, and every event of the call says whether it is stored.
 * G3. At most AT_ONCE events are on their way at any time, whatever the number of callers.
 */
import { randomUUID } from 'node:crypto';
import type { Decoded } from '../core/event/decode.js';
import { decodeEvent } from '../core/event/decode.js';
import type { Event, EventLimits } from '../core/event/event.js';
import type { EventFormat } from '../core/event/event-format.js';
import type { JsonObject } from '../core/event/json.js';
import { isObject } from '../core/event/json.js';
import type { Rejection } from '../core/event/reject.js';
import { nameOf, problemOfName, tokenOfKey } from '../core/key/key.js';
import { partitionOf } from '../core/key/partition.js';
import type { ErrorCode } from '../errors.js';
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventSink, NewEvent } from '../ports/event-log.js';
import type { Receipt } from './state-reader.js';

export interface IngestOptions {
  readonly sink: EventSink;
  readonly clock: Clock;
  /** Where the application reads the parts of an event from. */
  readonly format: EventFormat;
  /** Subject to publish to, `{key}` where the key's token goes. */
  readonly publishSubject: string;
  readonly partitions: number;
  readonly limits: EventLimits;
  /** False where dedupe is off: the application then reads events without an id. */
  readonly idRequired: boolean;
  /** Id of an event that has none; a random UUID by default. */
  readonly newId?: (() => string) | undefined;
}

/** Where an appended event is. */
export interface IngestReceipt extends Receipt {
  /** The log already had an event with this id inside its own window. */
  readonly duplicate: boolean;
}

/** An event that may be appended. */
export interface ReadyEvent {
  readonly kind: 'ready';
  readonly event: NewEvent;
  readonly partition: number;
}

export type CheckedEvent = ReadyEvent | ({ readonly kind: 'rejected' } & Rejection);

/** What became of one event. */
export type Ingested =
  | { readonly kind: 'stored'; readonly id: string; readonly receipt: IngestReceipt }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly code: ErrorCode;
      readonly problems: readonly string[];
      /** Whether it may be in the log all the same. Sending it again with the same id is harmless. */
      readonly stored: 'no' | 'unknown';
      readonly error: unknown;
    };

const FIELDS: readonly string[] = ['id', 'key', 'time', 'sequence', 'type', 'data'];
const AT_ONCE = 256;

/** Millrace's own form: every part has its field, and the key is a token as well. */
const PLAIN: EventFormat = {
  id: { kind: 'auto' },
  key: { kind: 'token', index: 2 },
  time: { kind: 'auto' },
  sequence: { kind: 'auto' },
  type: { kind: 'auto' },
  data: { kind: 'auto' },
};
/** What an event without an id is read as, where dedupe is off: the log would take all of these for one. */
const NO_ID = '#0';
/** Stands for a key that cannot be used, so that the other parts are still looked at. */
const ANY_KEY = 'key';

/** Checks and appends events. One per node or publisher: it bounds what is on its way. */
export class Ingest {
  readonly #options: IngestOptions;
  readonly #gate = new Gate(AT_ONCE);
  readonly #newId: () => string;
  readonly #isPlain: boolean;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#newId = options.newId ?? randomUUID;
    this.#isPlain = readsPlain(options);
  }

  /**
   * Checks one event with the fields `key`, and optionally `id`, `time`, `sequence`, `type` and `data`; any other
   * field is a problem. Without an id it gets a new one, without a time the present one: a caller that may have to
   * send it again should give both. Every problem is listed.
   */
  check(value: unknown): CheckedEvent {
    if (!isObject(value)) return rejected('EVENT_INVALID', ['the event is not a JSON object']);
    const problems = unknownFields(value);
    const keyProblem = problemOfKey(value);
    if (keyProblem !== undefined) problems.push(keyProblem);
    const decoded = this.#decode(value, keyProblem === undefined ? nameOf(value.key)! : ANY_KEY);
    if (decoded.kind === 'rejected') {
      const { code, problems: more } = decoded.rejection;
      return rejected(code, [...problems, ...more]);
    }
    if (problems.length > 0)
      return rejected(
        problems.length === 1 && keyProblem !== undefined ? 'EVENT_KEY_INVALID' : 'EVENT_INVALID',
        problems,
      );
    return this.#ready(value, decoded.event);
  }

  /** Appends events; what became of each, in their order. Never throws. */
  async append(events: readonly ReadyEvent[]): Promise<Ingested[]> {
    const results: Ingested[] = new Array(events.length);
    const sent: Promise<void>[] = [];
    let failure: { readonly error: unknown } | undefined;
    for (const [index, ready] of events.entries()) {
      await this.#gate.enter();
      if (failure !== undefined) {
        this.#gate.leave();
        results[index] = unsent(ready.event.id, failure.error);
        continue;
      }
      sent.push(
        this.#send(ready).then((result) => {
          results[index] = result;
          if (result.kind === 'failed' && isCommon(result.error)) failure ??= result;
          this.#gate.leave();
        }),
      );
    }
    await Promise.all(sent);
    return results;
  }

  async #send({ event, partition }: ReadyEvent): Promise<Ingested> {
    const { id } = event;
    try {
      const { stream, sequence, duplicate } = await this.#options.sink.append(event);
      return { kind: 'stored', id, receipt: { stream, sequence, partition, duplicate } };
    } catch (error) {
      const isAnswer = error instanceof MillraceError && error.category !== 'transient' && error.category !== 'bug';
      const stored = isAnswer ? 'no' : 'unknown';
      return { kind: 'failed', id, code: codeOf(error), problems: [messageOf(error)], stored, error };
    }
  }

  /** Reads the fields as the core reads a body. */
  #decode(value: JsonObject, key: string): Decoded {
    const { id = this.#newId(), time = this.#options.clock.now(), sequence, type, data } = ownFields(value);
    let body: string;
    try {
      body = JSON.stringify({ id, time, sequence, type, data });
    } catch (error) {
      // A RangeError means that the nesting has no end worth looking for.
      return error instanceof RangeError
        ? refused('EVENT_TOO_DEEP', 'the event nests too deep')
        : refused('EVENT_INVALID', `the event is not JSON data: ${messageOf(error)}`);
    }
    const nowhere = { subject: '', headers: undefined, encoding: 'utf8', streamSequence: 0, streamTime: 0 } as const;
    return decodeEvent({ ...nowhere, token: tokenOfKey(key), body }, PLAIN, true);
  }

  #ready(value: JsonObject, { id, time, key, sequence, type, data }: Event): CheckedEvent {
    const { publishSubject, partitions, limits } = this.#options;
    const text = JSON.stringify({ id, time, key, sequence, type, data });
    const body = new TextEncoder().encode(text);
    const max = limits.payloadBytesMax;
    if (body.length > max)
      return rejected('EVENT_TOO_LARGE', [`the event has ${body.length} bytes, allowed are ${max}`]);
    const subject = publishSubject.replace('{key}', () => tokenOfKey(key));
    const read = this.#isPlain ? id : this.#readBack(value, subject, id, text);
    if (typeof read !== 'string') return rejected('EVENT_INVALID', read);
    const partition = partitionOf(key, partitions);
    const about = { key, partition, timeMs: time };
    return { kind: 'ready', event: { subject, id: read, body, about }, partition };
  }

  /** The id that the application will read, or why it would not read what was given. G1. */
  #readBack(value: JsonObject, subject: string, id: string, body: string): string | readonly string[] {
    const { format, idRequired } = this.#options;
    const token = format.key.kind === 'token' ? (subject.split('.')[format.key.index - 1] ?? '') : undefined;
    const headers = `Nats-Msg-Id: ${id}`;
    const raw = { subject, token, headers, body, encoding: 'utf8', streamSequence: 0, streamTime: 0 } as const;
    const decoded = decodeEvent(raw, format, idRequired);
    const why = 'as this application reads its events, ';
    if (decoded.kind === 'rejected') return decoded.rejection.problems.map((problem) => why + problem);
    const { event } = decoded;
    const own = JSON.parse(body) as JsonObject;
    const lost = (['key', 'id', 'time', 'sequence', 'type'] as const).filter(
      (part) => Object.hasOwn(value, part) && event[part] !== own[part],
    );
    if (lost.length === 0) return event.id === NO_ID ? id : event.id;
    return lost.map((part) => `${why}the ${part} is elsewhere (event.${part})`);
  }
}

/** Lets so many in at a time, in the order they come. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  enter(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** Whether events in Millrace's own form need no second look: each part is read from where this file puts it. */
function readsPlain({ format, publishSubject }: IngestOptions): boolean {
  const { key, ...others } = format;
  const keyIndex = publishSubject.split('.').indexOf('{key}') + 1;
  return key.kind === 'token' && key.index === keyIndex && Object.values(others).every(({ kind }) => kind === 'auto');
}

/** Own properties only: what a prototype has was not given. */
function ownFields(value: JsonObject): JsonObject {
  return Object.fromEntries(FIELDS.flatMap((field) => (Object.hasOwn(value, field) ? [[field, value[field]]] : [])));
}

function unknownFields(value: JsonObject): string[] {
  return Object.keys(value)
    .filter((field) => !FIELDS.includes(field))
    .map((field) => `there is no field ${JSON.stringify(field.slice(0, 100))} in an event`);
}

function problemOfKey(value: JsonObject): string | undefined {
  const { key } = ownFields(value);
  if (key === undefined) return 'the key is missing';
  const name = nameOf(key);
  if (name === undefined) return 'the key is neither text nor a whole number';
  const problem = problemOfName(name);
  return problem === undefined ? undefined : `the key ${problem}`;
}

function rejected(code: Rejection['code'], problems: readonly string[]): CheckedEvent {
  return { kind: 'rejected', code, problems };
}

function refused(code: Rejection['code'], problem: string): Decoded {
  return { kind: 'rejected', rejection: { code, problems: [problem] }, key: undefined };
}

/** Whether the next event would fail for the same reason. */
function isCommon(error: unknown): boolean {
  return !(error instanceof MillraceError) || error.category !== 'poison';
}

function unsent(id: string, error: unknown): Ingested {
  const problems = [`not sent, since an event before it failed: ${messageOf(error)}`];
  return { kind: 'failed', id, code: codeOf(error), problems, stored: 'no', error };
}
