/**
 * What must come out of a stream, by a plain fold: arrays, maps and sort, no checkpoints, no loading, no crashes.
 * Written from DESIGN.md section 4, not from the actor.
 */
import type { ActorOptions } from '../../src/core/actor/actor.js';
import type { Counters } from '../../src/core/checkpoint/record.js';
import { emptyCounters } from '../../src/core/checkpoint/record.js';
import { isSameBody } from '../../src/core/dedupe/dedupe-index.js';
import type { Event, RawEvent } from '../../src/core/event/event.js';
import type { RejectCode } from '../../src/core/event/reject.js';
import { bodyHash } from '../../src/core/key/hash.js';
import type { Deed, StreamEvent } from './actor-stream.js';
import { codeOfDeed } from './actor-stream.js';

/** What the store holds in the end, as plain values. */
export interface Outcome {
  /** By key: the applied sequences in order, newest time applied, id of the last. */
  readonly states: Record<string, { log: number[]; time: number; id: string }>;
  /** By stream sequence. */
  readonly dead: Record<string, string>;
  readonly counters: Counters;
  /** By output id. */
  readonly outputs: Record<string, string>;
}

interface Held {
  readonly event: Event;
  readonly raw: RawEvent;
  readonly time: number;
  readonly isClamped: boolean;
  readonly seen: { time: number; waiting: boolean; body: string };
}

export function outcomeOf(stream: readonly StreamEvent[], options: ActorOptions, partition: number): Outcome {
  const outcome: Outcome = { states: {}, dead: {}, counters: emptyCounters(), outputs: {} };
  const { states, dead, counters, outputs } = outcome;
  const seen = new Map<string, Held['seen']>();
  let held: Held[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  let maxTime = Number.NEGATIVE_INFINITY;
  let newestId = Number.NEGATIVE_INFINITY;
  let arrival = Number.NEGATIVE_INFINITY;

  const bury = (raw: RawEvent, code: RejectCode): void => {
    dead[raw.streamSequence] = code;
    counters.dead[code] = (counters.dead[code] ?? 0) + 1;
  };

  const apply = ({ event, raw, time, isClamped, seen: mark }: Held): void => {
    mark.waiting = false;
    if (isClamped) counters.clamped++;
    const state = states[event.key] ?? { log: [], time: Number.NEGATIVE_INFINITY, id: '' };
    if (options.order === 'time' && time < state.time) {
      counters.late++;
      if (options.late === 'drop') return;
      if (options.late === 'dead-letter') {
        bury(raw, 'EVENT_LATE');
        return;
      }
    }
    const { deed } = event.data as { deed: Deed };
    const code = codeOfDeed(deed);
    if (code !== undefined) {
      bury(raw, code);
      return;
    }
    if (deed === 'emit') {
      const id = `${options.layout.app}.${partition}.${raw.streamSequence}`;
      outputs[`${id}.0`] = JSON.stringify({ subject: 'out.first', data: { id: event.id, length: state.log.length } });
      outputs[`${id}.1`] = JSON.stringify({ subject: 'out.second', data: state.log.length });
    }
    state.log.push(raw.streamSequence);
    state.time = Math.max(state.time, time);
    state.id = event.id;
    states[event.key] = state;
    counters.applied++;
  };

  const release = (): void => {
    const due = held.filter(({ time }) => time <= watermark);
    held = held.filter(({ time }) => time > watermark);
    due.sort((a, b) => a.time - b.time || a.raw.streamSequence - b.raw.streamSequence);
    due.forEach(apply);
  };

  const idle = (streamTime: number): void => {
    if (held.length === 0 || streamTime - arrival < options.idleMs) return;
    watermark = Math.max(watermark, maxTime);
    release();
  };

  const bytes = (): number => held.reduce((sum, { raw }) => sum + raw.body.length + 256, 0);

  for (const { own, raw, decoded } of stream) {
    if (!own) continue;
    idle(raw.streamTime);
    if (decoded.kind === 'rejected') {
      bury(raw, decoded.rejection.code);
      continue;
    }
    const { event } = decoded;
    let { time } = event;
    if (time > raw.streamTime + options.aheadMsMax) {
      if (options.ahead === 'dead-letter') {
        bury(raw, 'EVENT_TIME_AHEAD');
        continue;
      }
      time = raw.streamTime + options.aheadMsMax;
    }
    const name = `${event.id}\n${event.key}`;
    const first = seen.get(name);
    if (options.dedupe !== undefined && first !== undefined) {
      if (first.waiting || first.time > newestId - options.dedupe.horizonMs) {
        counters.duplicates++;
        if (!isSameBody(bodyHash(first.body), bodyHash(raw.body))) counters.conflicts++;
        continue;
      }
    }
    const mark = { time, waiting: true, body: raw.body };
    seen.set(name, mark);
    newestId = Math.max(newestId, time);
    maxTime = Math.max(maxTime, time);
    arrival = Math.max(arrival, raw.streamTime);
    watermark = Math.max(watermark, maxTime - options.settleMs);
    const arrived: Held = { event, raw, time, isClamped: time !== event.time, seen: mark };
    if (options.order === 'none') apply(arrived);
    // Older than everything that is held, so its turn is now.
    else if (time <= watermark) apply(arrived);
    else held.push(arrived);
    release();
    while (held.length > options.bufferEventsMax || bytes() > options.bufferBytesMax) {
      watermark = Math.min(...held.map((waiting) => waiting.time));
      release();
    }
  }
  idle(Number.POSITIVE_INFINITY);
  return outcome;
}
