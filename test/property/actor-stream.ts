/** Streams for the actor: random disorder, repeats, poison and gaps, and the handler that folds them. */
import fc from 'fast-check';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Handler } from '../../src/core/actor/handler.js';
import type { Decoded } from '../../src/core/event/decode.js';
import { decodeEvent } from '../../src/core/event/decode.js';
import type { RawEvent } from '../../src/core/event/event.js';
import { formatOf, rawEvent, T0 } from '../unit/raw-events.js';

export { T0 } from '../unit/raw-events.js';

/** One event of the stream; `own` is false for one of another partition. */
export interface StreamEvent {
  readonly own: boolean;
  readonly raw: RawEvent;
  readonly decoded: Decoded;
}

/** What an event asks of the handler. */
export type Deed = 'add' | 'emit' | 'throw' | 'mutate' | 'undefined';

/** State of a key: the stream sequences applied to it, in order. Whatever is lost, doubled or moved shows. */
export type Log = readonly number[];

export const logHandler: Handler<Log, { deed: Deed }> = {
  name: 'log',
  initial: () => [],
  apply(log, event, context) {
    switch (event.data.deed) {
      case 'throw':
        context.emit('out', { never: true });
        throw new Error('refused');
      case 'mutate':
        (log as number[]).push(-1);
        return log;
      case 'undefined':
        return undefined as unknown as Log;
      case 'emit':
        context.emit('out.first', { id: event.id, length: log.length });
        context.emit('out.second', log.length);
        break;
    }
    return [...log, context.streamSequence];
  },
};

/** What the handler makes of a deed, or the reason for a dead letter. */
export const codeOfDeed = (deed: Deed) =>
  deed === 'throw' || deed === 'mutate' ? 'HANDLER_THREW' : deed === 'undefined' ? 'STATE_INVALID' : undefined;

export const baseOptions: ActorOptions = {
  layout: { app: 'main', partitions: 64, hash: 'fnv1a32' },
  order: 'time',
  settleMs: 20,
  idleMs: 1e9,
  late: 'drop',
  aheadMsMax: 60_000,
  ahead: 'dead-letter',
  dedupe: { horizonMs: 1e9, idsMax: 1e6 },
  bufferEventsMax: 1e6,
  bufferBytesMax: 1e9,
  residentKeysMax: 1e6,
  residentBytesMax: 1e9,
  deadLettersMax: 1e6,
  firstNumber: 1,
  gapMs: 1_000,
  gap: 'skip',
  poison: 'dead-letter',
  parkedMax: 1e6,
};

const format = formatOf();

/** An event of the stream, decoded as the host does. */
export function streamEvent(
  sequence: number,
  streamTime: number,
  of: {
    key?: string;
    id?: string;
    time?: number;
    number?: number;
    deed?: Deed;
    own?: boolean;
    note?: string;
    body?: string;
  },
): StreamEvent {
  const { key = 'a', id = `e${sequence}`, time = streamTime, number, deed = 'add', own = true, note, body } = of;
  const json = { id, time, sequence: number, data: { deed, note } };
  const raw = rawEvent({ key, streamSequence: sequence, streamTime, ...(body === undefined ? { json } : { body }) });
  return { own, raw, decoded: decodeEvent(raw, format, true) };
}

interface Step {
  readonly own: boolean;
  readonly key: number;
  readonly gapMs: number;
  readonly offsetMs: number;
  readonly repeat: number;
  readonly conflict: boolean;
  readonly deed: Deed;
  readonly garbage: boolean;
}

export interface Disorder {
  /** How far behind its stream time an event may be, ms. */
  readonly behindMs: number;
  /** How far ahead, ms. */
  readonly aheadMs: number;
  /** Largest step of stream time, ms. */
  readonly gapMs: number;
}

/** Up to `length` events over four keys; one in five repeats an id, one in twelve is poison. */
export function streams(disorder: Disorder, length: number): fc.Arbitrary<StreamEvent[]> {
  const step: fc.Arbitrary<Step> = fc.record({
    own: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    key: fc.nat(3),
    gapMs: fc.oneof(
      { weight: 5, arbitrary: fc.nat(Math.min(4, disorder.gapMs)) },
      { weight: 1, arbitrary: fc.nat(disorder.gapMs) },
    ),
    offsetMs: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: -disorder.behindMs, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: -disorder.behindMs, max: disorder.aheadMs }) },
    ),
    repeat: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }) },
    ),
    conflict: fc.boolean(),
    deed: fc.oneof(
      { weight: 12, arbitrary: fc.constant<Deed>('add') },
      { weight: 2, arbitrary: fc.constant<Deed>('emit') },
      { weight: 1, arbitrary: fc.constantFrom<Deed>('throw', 'mutate', 'undefined') },
    ),
    garbage: fc.nat(29).map((n) => n === 29),
  });
  return fc.array(step, { minLength: 1, maxLength: length, size: 'max' }).map(streamOf);
}

function streamOf(steps: readonly Step[]): StreamEvent[] {
  const stream: StreamEvent[] = [];
  const made: { key: string; id: string; time: number; deed: Deed }[] = [];
  let streamTime = T0;
  for (const step of steps) {
    const sequence = stream.length + 1;
    streamTime += step.gapMs;
    if (step.garbage) {
      stream.push(streamEvent(sequence, streamTime, { body: '{' }));
      continue;
    }
    const earlier = step.repeat > 0 && step.own ? made[made.length - step.repeat] : undefined;
    const first = { key: `k${step.key}`, id: `e${sequence}`, time: streamTime + step.offsetMs, deed: step.deed };
    const of = earlier ?? first;
    if (step.own && earlier === undefined) made.push(first);
    const note = earlier !== undefined && step.conflict ? { note: 'other' } : {};
    stream.push(streamEvent(sequence, streamTime, { ...of, own: step.own, ...note }));
  }
  return stream;
}
