/**
 * The owner of one partition: decides every event routed to it, once and in order, and prepares checkpoints.
 *
 * Pure and deterministic: events and stream times in, state and a prepared commit out. It reads no clock and
 * does no I/O; the host around it does.
 *
 * The way of an event: offer → (rejected | duplicate | held | due) → apply → decided. Invariants
 * A1. An event is decided exactly once; what was offered or decided before is passed over.
 * A2. Dedupe comes before apply, and its entry is decided with the event.
 * A3. A key's due events are applied in the order they came due, also while its state is loaded.
 * A4. Late means: older than the newest event applied to the same key. Never: behind the partition's watermark.
 * A5. `prepare` is a consistent cut: state, dedupe, dead letters, outbox and position of the same moment.
 * A6. At most one prepared commit is under way; it is confirmed, or the actor is dropped.
 */
import type { Commit, DeadLetter } from '../checkpoint/commit.js';
import type { Anchor, Counters, Layout, PartitionRecord } from '../checkpoint/record.js';
import { encodeRecord, RECORD_FORMAT } from '../checkpoint/record.js';
import type { Decision as DecisionValue } from '../dedupe/dedupe-index.js';
import { Decision, DedupeIndex } from '../dedupe/dedupe-index.js';
import type { StoredSegment } from '../dedupe/dedupe-segments.js';
import { DedupeSegments } from '../dedupe/dedupe-segments.js';
import type { Decoded } from '../event/decode.js';
import type { Event, RawEvent } from '../event/event.js';
import type { Rejection } from '../event/reject.js';
import { bodyHash } from '../key/hash.js';
import type { Timed } from '../order/time-buffer.js';
import { TimeBuffer } from '../order/time-buffer.js';
import { Watermark } from '../order/watermark.js';
import { PositionWindow } from '../position/position-window.js';
import type { Handler } from './handler.js';
import type { KeyEntry } from './keyed-state.js';
import { KeyedState } from './keyed-state.js';
import { Outbox } from './outbox.js';
import { freezeState } from './state-value.js';

export interface ActorOptions {
  readonly layout: Layout;
  readonly order: 'none' | 'time';
  readonly settleMs: number;
  readonly idleMs: number;
  readonly late: 'drop' | 'apply' | 'dead-letter';
  readonly aheadMsMax: number;
  readonly ahead: 'dead-letter' | 'clamp';
  /** undefined: handlers are idempotent, no index is kept. */
  readonly dedupe: { readonly horizonMs: number; readonly idsMax: number } | undefined;
  readonly bufferEventsMax: number;
  readonly bufferBytesMax: number;
  readonly residentKeysMax: number;
  readonly residentBytesMax: number;
  readonly deadLettersMax: number;
}

/** What an incarnation starts from: the claimed record and what is stored beside it. */
export interface ActorStart {
  readonly owner: string;
  readonly number: number;
  readonly record: PartitionRecord;
  readonly segments: readonly StoredSegment[];
  readonly outboxStored: number;
  /** No key is stored yet, so none has to be looked up. */
  readonly empty: boolean;
}

/** Why an actor stopped by itself. */
export interface ActorHalt {
  readonly code: 'DEAD_LETTERS_FULL' | 'CORRUPT_CHECKPOINT' | 'STATE_INVALID';
  readonly problem: string;
}

/** A decoded event on its way to being decided. */
interface Arrival extends Timed {
  /** As the handler sees it; nothing of ours hangs on it, because a handler may keep it in its state. */
  readonly event: Event;
  readonly isClamped: boolean;
  readonly raw: RawEvent;
  readonly entry: KeyEntry<Arrival>;
  readonly slot: number;
  /** Entry of the dedupe index, −1 without one. */
  readonly seen: number;
}

const ARRIVAL_BYTES = 256;

export class Actor {
  readonly #options: ActorOptions;
  readonly #handler: Handler;
  readonly #start: PartitionRecord;
  readonly #owner: string;
  readonly #window: PositionWindow;
  readonly #watermark: Watermark;
  readonly #buffer = new TimeBuffer<Arrival>();
  readonly #state: KeyedState<Arrival>;
  readonly #dedupe: DedupeIndex | undefined;
  readonly #segments: DedupeSegments | undefined;
  readonly #outbox = new Outbox();
  readonly #counters: Counters;
  readonly #context: { partition: number; streamSequence: number; emit(subject: string, data: unknown): void };
  #emitted: { subject: string; data: unknown }[] = [];
  #folding = false;
  #number: number;
  #anchor: Anchor;
  #gaps: readonly number[];
  #decidedIds: number[] = [];
  #dead: DeadLetter[] = [];
  #deadStored: number;
  /** Due events that wait for their key's state. */
  #loading = 0;
  /** Oldest time among the due events that a halt left undecided, epoch ms. */
  #heldBack = Number.POSITIVE_INFINITY;
  #decided = 0;
  #forced = 0;
  #saving = false;
  #savedHigh: number;
  #halt: ActorHalt | undefined;

  constructor(options: ActorOptions, handler: Handler, start: ActorStart) {
    const { record } = start;
    this.#options = options;
    this.#handler = handler;
    this.#start = record;
    this.#owner = start.owner;
    this.#number = start.number;
    this.#window = new PositionWindow(record.position);
    this.#watermark = new Watermark(options.settleMs, options.idleMs, record);
    this.#state = new KeyedState(start.empty, options.residentKeysMax, options.residentBytesMax);
    this.#counters = { ...record.counters, dead: { ...record.counters.dead } };
    this.#anchor = record.anchor;
    this.#gaps = record.gaps;
    this.#deadStored = record.deadStored;
    this.#savedHigh = record.position.floor;
    this.#outbox.restore(start.outboxStored);
    if (options.dedupe !== undefined) {
      const { horizonMs, idsMax } = options.dedupe;
      this.#dedupe = new DedupeIndex(horizonMs, idsMax);
      this.#segments = new DedupeSegments(horizonMs, idsMax);
      const problem = this.#segments.restore(start.segments, this.#dedupe);
      if (problem !== undefined) this.#halt = { code: 'CORRUPT_CHECKPOINT', problem: `dedupe ${problem}` };
    }
    this.#context = {
      partition: record.partition,
      streamSequence: 0,
      emit: (subject, data) => this.#emit(subject, data),
    };
  }

  get partition(): number {
    return this.#start.partition;
  }

  get number(): number {
    return this.#number;
  }

  get halt(): ActorHalt | undefined {
    return this.#halt;
  }

  get counters(): Readonly<Counters> {
    return this.#counters;
  }

  get buffered(): number {
    return this.#buffer.size + this.#loading;
  }

  get watermark(): number {
    return this.#watermark.value;
  }

  get floor(): number {
    return this.#window.floor;
  }

  get high(): number {
    return this.#window.high;
  }

  get residentKeys(): number {
    return this.#state.size;
  }

  get dedupeIds(): number {
    return this.#dedupe?.size ?? 0;
  }

  get dedupeEvictedEarly(): number {
    return this.#dedupe?.evictedEarly ?? 0;
  }

  get deadStored(): number {
    return this.#deadStored;
  }

  /** Events released before the settle window was over, because the buffer was full. */
  get forced(): number {
    return this.#forced;
  }

  /** Rough size of the commit that `prepare` would make, bytes. */
  get commitBytes(): number {
    return this.#state.dirtyBytes + this.#decidedIds.length * 28 + this.#dead.length * 1024;
  }

  /** Something was decided, applied or set aside since the last prepared commit. */
  get isDirty(): boolean {
    return this.#decided > 0 || this.#state.isDirty || this.#outbox.isDirty;
  }

  /** The position has moved since the last prepared commit, if only past other partitions' events. */
  get hasMoved(): boolean {
    return this.#window.high > this.#savedHigh;
  }

  get isSaving(): boolean {
    return this.#saving;
  }

  /** Takes the next event of this partition, in stream order. */
  offer(raw: RawEvent, decoded: Decoded): void {
    if (raw.streamSequence <= this.#window.high || this.#halt !== undefined) return;
    if (this.#window.wasDecided(raw.streamSequence)) {
      this.#window.decide(this.#window.append(raw.streamSequence));
      return;
    }
    this.passed(raw.streamTime);
    const slot = this.#window.append(raw.streamSequence);
    if (decoded.kind === 'rejected') {
      this.#bury(raw, slot, decoded.rejection, decoded.key, undefined);
      return;
    }
    const event = this.#checkAhead(raw, slot, decoded.event);
    if (event !== undefined) this.#accept(raw, slot, event, event !== decoded.event);
  }

  /** The router has passed everything up to `anchor` in the stream. */
  routed(anchor: Anchor): void {
    if (this.#halt !== undefined) return;
    this.#window.advance(anchor.sequence);
    if (anchor.sequence > this.#anchor.sequence) this.#anchor = anchor;
  }

  /** An operator accepted that sequences `first` to `last` are gone; the record says so from the next commit on. */
  skip(first: number, last: number): void {
    if (last <= this.#window.high) return;
    this.#gaps = [...this.#gaps, Math.max(first, this.#window.high + 1), last];
    this.#window.advance(last);
    this.#decided++;
  }

  /** The stream has reached this time (epoch ms) without an event for this partition. */
  passed(streamTime: number): void {
    if (this.#buffer.size > 0 && this.#watermark.passed(streamTime)) this.#release();
  }

  /** Keys whose state the host must load. */
  takeWanted(): string[] {
    return this.#state.takeWanted();
  }

  /** Takes in a key's stored state, or that there is none; what waited for it is applied, in order. */
  loaded(key: string, stored: string | undefined): void {
    const problem = this.#state.fill(key, stored);
    if (problem !== undefined) {
      this.#halt = { code: 'CORRUPT_CHECKPOINT', problem };
      return;
    }
    const entry = this.#state.resident(key);
    const waiting = entry?.waiting;
    if (entry === undefined || waiting === undefined) return;
    entry.waiting = undefined;
    this.#loading -= waiting.length;
    for (const arrival of waiting) this.#apply(arrival);
  }

  /**
   * A consistent cut of everything decided so far, as the next commit; undefined if one is under way, or if a state
   * cannot be written (see `halt`). `savedAt` is wall clock for people, epoch ms.
   */
  prepare(savedAt: number): Commit | undefined {
    if (this.#saving) return undefined;
    let state: Commit['state'];
    try {
      state = this.#state.encodeDirty();
    } catch (error) {
      // A frozen object that hides what JSON refuses: nothing of this cut may be stored.
      this.#halt = { code: 'STATE_INVALID', problem: (error as Error).message };
      return undefined;
    }
    this.#saving = true;
    this.#savedHigh = this.#window.high;
    const dedupe = this.#dedupe === undefined ? undefined : this.#segments?.delta(this.#dedupe, this.#decidedIds);
    const dead = this.#dead.map((letter) => [String(letter.sequence), JSON.stringify(letter)] as const);
    this.#decidedIds = [];
    this.#dead = [];
    this.#decided = 0;
    return {
      partition: this.partition,
      owner: this.#owner,
      number: this.#number + 1,
      record: encodeRecord(this.#record(savedAt)),
      state,
      dedupePut: dedupe?.put ?? [],
      dedupeDrop: dedupe?.drop ?? [],
      dead: { set: dead, remove: [] },
      outbox: this.#outbox.changes(),
    };
  }

  /** The prepared commit is stored. Returns the outputs that may now be published. */
  confirm(): readonly (readonly [id: string, output: string])[] {
    this.#saving = false;
    this.#number++;
    this.#state.saved();
    return this.#outbox.saved();
  }

  /** These outputs are in their stream; a later commit removes them. */
  published(ids: readonly string[]): void {
    this.#outbox.published(ids);
  }

  #record(savedAt: number): PartitionRecord {
    return {
      format: RECORD_FORMAT,
      layout: this.#options.layout,
      partition: this.partition,
      stream: this.#start.stream,
      position: this.#window.snapshot(),
      anchor: this.#anchor,
      watermark: this.#storedWatermark(),
      maxTime: this.#watermark.maxTime,
      arrival: this.#watermark.lastArrival,
      counters: this.#counters,
      deadStored: this.#deadStored,
      gaps: this.#gaps,
      savedAt,
    };
  }

  /**
   * Due events that still wait for their state, or that a halt left undecided, are read again by the next
   * incarnation, in stream order. The stored watermark stays behind them, so that they are held and ordered again.
   */
  #storedWatermark(): number {
    let value = Math.min(this.#watermark.value, this.#heldBack - 1);
    if (this.#loading === 0 || this.#options.order === 'none') return value;
    for (const entry of this.#state.entries())
      for (const arrival of entry.waiting ?? []) if (arrival.time <= value) value = arrival.time - 1;
    return value;
  }

  /** The event, or it with a clamped time, or undefined if it was set aside for being too far ahead of the stream. */
  #checkAhead(raw: RawEvent, slot: number, event: Event): Event | undefined {
    const limit = Math.floor(raw.streamTime) + this.#options.aheadMsMax;
    if (event.time <= limit) return event;
    if (this.#options.ahead === 'clamp') return { ...event, time: limit };
    const problems = [`the event time is ${event.time - Math.floor(raw.streamTime)} ms ahead of the stream`];
    this.#bury(raw, slot, { code: 'EVENT_TIME_AHEAD', problems }, event.key, event.id);
    return undefined;
  }

  #accept(raw: RawEvent, slot: number, event: Event, isClamped: boolean): void {
    const { time } = event;
    const entry = this.#state.entry(event.key);
    let seen = -1;
    if (this.#dedupe !== undefined) {
      const body = bodyHash(raw.body);
      const first = this.#dedupe.find(event.id, entry.hash);
      if (first >= 0) {
        this.#counters.duplicates++;
        if (!this.#dedupe.hasBody(first, body)) this.#counters.conflicts++;
        this.#decide(slot);
        return;
      }
      seen = this.#dedupe.insert(time, raw.streamSequence, body);
    }
    const { streamSequence } = raw;
    const bytes = raw.body.length + ARRIVAL_BYTES;
    const arrival: Arrival = { event, isClamped, time, raw, entry, slot, seen, streamSequence, bytes };
    entry.holds++;
    this.#watermark.observe(time, raw.streamTime);
    if (this.#options.order === 'none') {
      this.#due(arrival);
      return;
    }
    // An event at or behind the watermark overtakes nothing: whatever is held is newer.
    if (time <= this.#watermark.value) this.#due(arrival);
    else this.#buffer.push(arrival);
    this.#release();
    this.#bound();
  }

  #release(): void {
    const watermark = this.#watermark.value;
    for (let due = this.#buffer.shiftUpTo(watermark); due !== undefined; due = this.#buffer.shiftUpTo(watermark))
      this.#due(due);
  }

  /** Keeps the buffer inside its bounds by releasing the oldest early: order is kept, the settle window is not. */
  #bound(): void {
    const { bufferEventsMax, bufferBytesMax } = this.#options;
    while (this.#buffer.size > bufferEventsMax || this.#buffer.bytes > bufferBytesMax) {
      this.#watermark.force(this.#buffer.peek()!.time);
      this.#forced++;
      this.#release();
    }
  }

  #due(arrival: Arrival): void {
    const { entry } = arrival;
    if (entry.loaded) {
      this.#apply(arrival);
      return;
    }
    entry.waiting ??= [];
    entry.waiting.push(arrival);
    this.#loading++;
  }

  #apply(arrival: Arrival): void {
    if (this.#halt === undefined) this.#judge(arrival);
    if (this.#halt !== undefined) this.#heldBack = Math.min(this.#heldBack, arrival.time);
    else if (arrival.isClamped) this.#counters.clamped++;
  }

  #judge(arrival: Arrival): void {
    const { entry, raw, slot, event } = arrival;
    entry.holds--;
    if (arrival.time < entry.time && this.#options.order === 'time') {
      this.#counters.late++;
      if (this.#options.late === 'drop') {
        this.#decide(slot, arrival.seen, Decision.late);
        return;
      }
      if (this.#options.late === 'dead-letter') {
        const problems = [`the key has applied an event that is ${entry.time - arrival.time} ms newer`];
        this.#bury(raw, slot, { code: 'EVENT_LATE', problems }, entry.key, event.id, arrival.seen);
        return;
      }
    }
    const rejection = this.#fold(arrival);
    if (rejection !== undefined) {
      this.#emitted = [];
      this.#bury(raw, slot, rejection, entry.key, event.id, arrival.seen);
      return;
    }
    if (arrival.time > entry.time) entry.time = arrival.time;
    entry.id = event.id;
    entry.streamSequence = raw.streamSequence;
    entry.applied++;
    this.#state.markDirty(entry);
    if (this.#emitted.length > 0) this.#send(raw.streamSequence);
    this.#counters.applied++;
    this.#decide(slot, arrival.seen, Decision.applied);
  }

  /** Runs the handler; the entry's state changes only if everything went well. */
  #fold(arrival: Arrival): Rejection | undefined {
    const { entry } = arrival;
    this.#context.streamSequence = arrival.streamSequence;
    this.#folding = true;
    try {
      const before = entry.applied === 0 ? this.#handler.initial(entry.key) : entry.state;
      let problem = entry.applied === 0 && before !== undefined ? freezeState(before, 'initial state') : undefined;
      if (problem === undefined) {
        const next = this.#handler.apply(before, arrival.event, this.#context);
        problem = freezeState(next, 'state', before);
        if (problem === undefined) entry.state = next;
      }
      if (problem === undefined) return undefined;
      return { code: 'STATE_INVALID', problems: [`${this.#handler.name}: ${problem}`] };
    } catch (error) {
      return { code: 'HANDLER_THREW', problems: [`${this.#handler.name}: ${describe(error)}`] };
    } finally {
      this.#folding = false;
    }
  }

  #emit(subject: string, data: unknown): void {
    // Later it would become an output of whatever event is then applied, under an id that a replay gives to another.
    if (!this.#folding) throw new TypeError('emit: only while `apply` runs');
    if (!/^[^\s.*>\u0000-\u001f\u007f]+(?:\.[^\s.*>\u0000-\u001f\u007f]+)*$/.test(subject))
      throw new TypeError(`emit: ${JSON.stringify(subject)} is not a subject to publish to`);
    const problem = freezeState(data, 'data');
    if (problem !== undefined) throw new TypeError(`emit: ${problem}`);
    this.#emitted.push({ subject, data });
  }

  #send(streamSequence: number): void {
    const prefix = `${this.#options.layout.app}.${this.partition}.${streamSequence}`;
    this.#emitted.forEach(({ subject, data }, index) => {
      this.#outbox.add({ id: `${prefix}.${index}`, subject, data });
    });
    this.#emitted = [];
  }

  /** Sets an event aside with its reason; if no more fit, the partition stops instead, and nothing is lost. */
  #bury(raw: RawEvent, slot: number, why: Rejection, key: string | undefined, id: string | undefined, seen = -1): void {
    if (this.#deadStored >= this.#options.deadLettersMax) {
      this.#halt = { code: 'DEAD_LETTERS_FULL', problem: `${this.#deadStored} dead letters are stored` };
      return;
    }
    this.#dead.push({
      sequence: raw.streamSequence,
      code: why.code,
      problems: why.problems,
      key: key ?? null,
      id: id ?? null,
      subject: raw.subject,
      headers: raw.headers ?? null,
      body: raw.body,
      encoding: raw.encoding,
      streamTime: raw.streamTime,
    });
    this.#deadStored++;
    this.#counters.dead[why.code] = (this.#counters.dead[why.code] ?? 0) + 1;
    this.#decide(slot, seen, Decision.dead);
  }

  #decide(slot: number, seen = -1, decision: DecisionValue = Decision.skipped): void {
    this.#decided++;
    this.#window.decide(slot);
    if (seen < 0) return;
    this.#dedupe?.decide(seen, decision);
    this.#decidedIds.push(seen);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
