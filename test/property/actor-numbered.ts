/** Streams whose events carry numbers of their key's own sequence, and the fold that says what must come of them. */
import fc from 'fast-check';
import type { ActorOptions } from '../../src/core/actor/actor.js';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import type { Event, RawEvent } from '../../src/core/event/event.js';
import type { RejectCode } from '../../src/core/event/reject.js';
import type { Outcome } from './actor-oracle.js';
import type { Deed, StreamEvent } from './actor-stream.js';
import { codeOfDeed, streamEvent, T0 } from './actor-stream.js';

interface NumberedStep {
  readonly own: boolean;
  readonly key: number;
  readonly gapMs: number;
  /** How far the number is from the next one of its key; undefined: it has none. */
  readonly jump: number | undefined;
  readonly repeat: number;
  readonly deed: Deed;
}

/** Events of three keys, numbered with disorder, gaps, repeats of numbers and of ids, and poison. */
export function numberedStreams(length: number): fc.Arbitrary<StreamEvent[]> {
  const step: fc.Arbitrary<NumberedStep> = fc.record({
    own: fc.nat(4).map((n) => n < 4),
    key: fc.nat(2),
    gapMs: fc.oneof({ weight: 5, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(4000) }),
    jump: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 6, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    repeat: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }) },
    ),
    deed: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom<Deed>('add', 'emit') },
      { weight: 1, arbitrary: fc.constantFrom<Deed>('throw', 'mutate', 'undefined') },
    ),
  });
  return fc.array(step, { minLength: 1, maxLength: length, size: 'max' }).map(streamOf);
}

function streamOf(steps: readonly NumberedStep[]): StreamEvent[] {
  const stream: StreamEvent[] = [];
  const made: Parameters<typeof streamEvent>[2][] = [];
  const next = [1, 1, 1];
  let streamTime = T0;
  for (const { own, key, gapMs, jump, repeat, deed } of steps) {
    const sequence = stream.length + 1;
    streamTime += gapMs;
    const number = jump === undefined ? {} : { number: Math.max(1, next[key]! + jump) };
    if (own && jump !== undefined && jump <= 1) next[key]!++;
    const first = { key: `k${key}`, id: `e${sequence}`, time: streamTime, deed, ...number };
    const of = (repeat > 0 ? made[made.length - repeat] : undefined) ?? first;
    if (own && of === first) made.push(first);
    stream.push(streamEvent(sequence, streamTime, { ...of, own }));
  }
  return stream;
}

/** The outcome where missing numbers are waited for without end, and the stream sequences that still wait. */
export function numberedOutcomeOf(
  stream: readonly StreamEvent[],
  options: ActorOptions,
  partition: number,
): Outcome & { readonly waiting: readonly number[] } {
  const outcome: Outcome = { states: {}, dead: {}, counters: emptyCounters(), outputs: {} };
  const { states, dead, counters, outputs } = outcome;
  const ids = new Set<string>();
  const next = new Map<string, number>();
  const parked = new Map<string, Map<number, { event: Event; raw: RawEvent }>>();

  const bury = (raw: RawEvent, code: RejectCode): void => {
    dead[raw.streamSequence] = code;
    counters.dead[code] = (counters.dead[code] ?? 0) + 1;
  };

  const apply = ({ event, raw }: { event: Event; raw: RawEvent }): void => {
    const { deed } = event.data as { deed: Deed };
    const code = codeOfDeed(deed);
    if (code !== undefined) {
      bury(raw, code);
      return;
    }
    const state = states[event.key] ?? { log: [], time: Number.NEGATIVE_INFINITY, id: '' };
    if (deed === 'emit') {
      const id = `${options.layout.app}.${partition}.${raw.streamSequence}`;
      outputs[`${id}.0`] = JSON.stringify({ subject: 'out.first', data: { id: event.id, length: state.log.length } });
      outputs[`${id}.1`] = JSON.stringify({ subject: 'out.second', data: state.log.length });
    }
    state.log.push(raw.streamSequence);
    states[event.key] = { log: state.log, time: Math.max(state.time, event.time), id: event.id };
    counters.applied++;
  };

  for (const { own, raw, decoded } of stream) {
    if (!own || decoded.kind === 'rejected') continue;
    const { event } = decoded;
    const { key, sequence: number } = event;
    if (number === undefined) {
      bury(raw, 'EVENT_UNNUMBERED');
      continue;
    }
    const waiting = parked.get(key) ?? new Map<number, { event: Event; raw: RawEvent }>();
    parked.set(key, waiting);
    const isRepeated = ids.has(`${event.id}\n${key}`);
    ids.add(`${event.id}\n${key}`);
    if (isRepeated || number < (next.get(key) ?? options.firstNumber) || waiting.has(number)) {
      counters.duplicates++;
      continue;
    }
    waiting.set(number, { event, raw });
    for (let at = next.get(key) ?? options.firstNumber; waiting.has(at); at++) {
      apply(waiting.get(at)!);
      waiting.delete(at);
      next.set(key, at + 1);
    }
  }
  const waiting = [...parked.values()].flatMap((events) => [...events.values()].map(({ raw }) => raw.streamSequence));
  return { ...outcome, waiting: waiting.sort((a, b) => a - b) };
}
