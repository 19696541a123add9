/**
 * The owner of one partition: decides every event routed to it, once and in order, and prepares checkpoints.
 *
 * Pure and deterministic: events and stream times in, state and a prepared commit out. It reads no clock and
 * does no I/O; the host around it does.
 *
 * The way of an event: offer → (passed over | rejected | duplicate) → held until due → KeyOrder → Decisions.
 *
 * Invariants
 * A1. An event is decided exactly once; what was offered or decided before is passed over.
 * A2. Dedupe comes before apply, and its entry is decided with the event.
 * A3. `prepare` is a consistent cut: state, dedupe, parked events, dead letters, outbox and position of one moment.
 * A4. At most one prepared commit is under way; it is confirmed, or the actor is dropped.
 */
import type { Commit } from '../checkpoint/commit.js';
import type { Anchor, Counters, Layout, PartitionRecord } from '../checkpoint/record.js';
import { encodeRecord, RECORD_FORMAT } from '../checkpoint/record.js';
import { Decision, type Seen } from '../dedupe/dedupe-index.js';
import type { StoredSegment } from '../dedupe/dedupe-segments.js';
import type { Decoded } from '../event/decode.js';
import type { Event, RawEvent } from '../event/event.js';
import type { Offered } from '../event/offered.js';
import { DecodedEvent } from '../event/offered.js';
import type { Rejection } from '../event/reject.js';
import { DueAgain } from '../order/due-again.js';
import { Watermark } from '../order/watermark.js';
import { isDecided } from '../position/position-window.js';
import { withRange } from '../position/ranges.js';
import { Arrival } from './arrival.js';
import type { DecisionNote } from './decision-log.js';
import type { DecisionOptions } from './decisions.js';
import { Decisions } from './decisions.js';
import { Folding } from './folding.js';
import type { ActorHalt } from './halting.js';
import { Halting } from './halting.js';
import type { Handler } from './handler.js';
import { HeldEvents } from './held-events.js';
import type { KeyInspection } from './key-inspection.js';
import { inspectKey } from './key-inspection.js';
import type { KeyOrderOptions, OperationOutcome, QuarantineAction } from './key-order.js';
import { KeyOrder } from './key-order.js';
import type { KeyWait } from './key-wait.js';
import { KeyedState } from './keyed-state.js';
import { Outbox } from './outbox.js';
import type { Quarantine } from './parking.js';
import { Parking } from './parking.js';

export interface ActorOptions extends KeyOrderOptions, DecisionOptions {
  readonly layout: Layout;
  readonly settleMs: number;
  readonly idleMs: number;
  /** Order `sequence`: the number that a key's first event has. */
  readonly firstNumber: number;
  readonly aheadMsMax: number;
  readonly ahead: 'dead-letter' | 'clamp';
  readonly bufferEventsMax: number;
  readonly bufferBytesMax: number;
  readonly residentKeysMax: number;
  readonly residentBytesMax: number;
}

/** What an incarnation starts from: the claimed record and what is stored beside it. */
export interface ActorStart {
  readonly owner: string;
  readonly number: number;
  readonly record: PartitionRecord;
  readonly segments: readonly StoredSegment[];
  readonly outboxStored: number;
  readonly quarantines: ReadonlyMap<string, Quarantine>;
  /** Stored parked events, decoded again. */
  readonly parked: readonly { readonly raw: RawEvent; readonly decoded: Decoded }[];
  /** No key is stored yet, so none has to be looked up. */
  readonly empty: boolean;
  /** An operator has accepted a loss, and the record says so only from the next commit on. */
  readonly isAmended?: boolean;
}

/** What an actor knows about an event id. */
export interface Explanation {
  readonly seen: readonly Seen[];
  /** What it waits for, for a person. */
  readonly waits: readonly string[];
  readonly notes: readonly DecisionNote[];
}

const ARRIVAL_BYTES = 256;
/** A parked event stays in memory only for this long, stream time; then the floor is let past it. */
const PARKED_IN_MEMORY_MS = 5_000;

export class Actor {
  readonly #options: ActorOptions;
  readonly #start: PartitionRecord;
  readonly #owner: string;
  readonly #halting = new Halting();
  readonly #decisions: Decisions;
  readonly #watermark: Watermark;
  readonly #buffer = new HeldEvents();
  readonly #again: DueAgain<Arrival>;
  readonly #state: KeyedState;
  readonly #parking = new Parking(PARKED_IN_MEMORY_MS);
  readonly #outbox = new Outbox();
  readonly #keys: KeyOrder;
  readonly #toKey = (arrival: Arrival): void => this.#keys.due(arrival);
  #number: number;
  #anchor: Anchor;
  #gaps: readonly number[];
  #streamTime = Number.NEGATIVE_INFINITY;
  #forced = 0;
  #saving = false;
  #savedHigh: number;

  constructor(options: ActorOptions, handler: Handler, start: ActorStart) {
    const { record } = start;
    this.#options = options;
    this.#start = record;
    this.#owner = start.owner;
    this.#number = start.number;
    this.#anchor = record.anchor;
    this.#gaps = record.gaps;
    this.#savedHigh = record.position.floor;
    this.#decisions = new Decisions(options, record, start.segments, this.#halting);
    if (start.isAmended === true) this.#decisions.touch();
    this.#watermark = new Watermark(options.settleMs, options.idleMs, record);
    this.#again = new DueAgain(record.due.filter((sequence) => !isDecided(record.position, sequence)));
    const firstNumber = options.order === 'sequence' ? options.firstNumber : undefined;
    this.#state = new KeyedState(start.empty, options.residentKeysMax, options.residentBytesMax, firstNumber);
    this.#outbox.restore(start.outboxStored);
    this.#keys = new KeyOrder(options, {
      state: this.#state,
      held: this.#buffer,
      decisions: this.#decisions,
      parking: this.#parking,
      folding: new Folding(handler, this.#state, `${options.layout.app}.${record.partition}`, record.partition),
      outbox: this.#outbox,
      halting: this.#halting,
    });
    for (const [key, quarantine] of start.quarantines)
      this.#state.waitOf(this.#state.rowOf(key)).quarantine = quarantine;
    for (const { raw, decoded } of start.parked) this.#restoreParked(raw, decoded);
    for (const wait of this.#parking.keys()) this.#keys.sortRestored(wait);
  }

  get partition(): number {
    return this.#start.partition;
  }

  get number(): number {
    return this.#number;
  }

  get halt(): ActorHalt | undefined {
    return this.#halting.halt;
  }

  get counters(): Readonly<Counters> {
    return this.#decisions.counters;
  }

  /** Events that were taken in and are not decided yet. */
  get buffered(): number {
    return this.#buffer.size + this.#again.size + this.#keys.loading + this.#parking.size;
  }

  get parked(): number {
    return this.#parking.size;
  }

  get watermark(): number {
    return this.#watermark.value;
  }

  get floor(): number {
    return this.#decisions.window.floor;
  }

  get high(): number {
    return this.#decisions.window.high;
  }

  get residentKeys(): number {
    return this.#state.size;
  }

  get dedupeIds(): number {
    return this.#decisions.ids;
  }

  get dedupeEvictedEarly(): number {
    return this.#decisions.idsEvictedEarly;
  }

  get deadStored(): number {
    return this.#decisions.lettersStored;
  }

  /** Events released before the settle window was over, because the buffer was full. */
  get forced(): number {
    return this.#forced;
  }

  /** Rough size of the commit that `prepare` would make, bytes. */
  get commitBytes(): number {
    return this.#state.dirtyBytes + this.#decisions.bytes;
  }

  /** Something was decided, applied or set aside since the last prepared commit. */
  get isDirty(): boolean {
    return (
      this.#decisions.isDirty ||
      this.#state.isDirty ||
      this.#outbox.isDirty ||
      this.#parking.isDirtyAt(this.#streamTime)
    );
  }

  /** The position has moved since the last prepared commit, if only past other partitions' events. */
  get hasMoved(): boolean {
    return this.#decisions.window.high > this.#savedHigh;
  }

  get isSaving(): boolean {
    return this.#saving;
  }

  /** Takes the next event of this partition, in stream order, decoded as a whole. */
  offer(raw: RawEvent, decoded: Decoded): void {
    if (decoded.kind === 'event') {
      this.take(new DecodedEvent(raw, decoded.event));
      return;
    }
    const slot = this.#append(raw.streamSequence, raw.streamTime);
    if (slot >= 0) this.#reject(raw, slot, decoded.rejection, decoded.key);
  }

  /** Takes the next event of this partition, in stream order. */
  take(offered: Offered): void {
    const slot = this.#append(offered.streamSequence, offered.streamTime);
    if (slot < 0) return;
    const limit = Math.floor(offered.streamTime) + this.#options.aheadMsMax;
    if (offered.time <= limit) this.#accept(offered, slot, offered.time, false);
    else if (this.#options.ahead === 'clamp') {
      const { source, place } = offered;
      const clamped = { ...source.eventAt(place), time: limit };
      this.#accept(new DecodedEvent(source.rawAt(place), clamped), slot, limit, true);
    } else this.#setAheadAside(offered, slot);
  }

  /** The slot of an event that comes; −1 if it was offered or decided before, or nothing is taken any more. */
  #append(streamSequence: number, streamTime: number): number {
    const { window } = this.#decisions;
    if (streamSequence <= window.high || this.#halting.isHalted) return -1;
    if (window.wasDecided(streamSequence)) {
      window.decide(window.append(streamSequence));
      return -1;
    }
    this.#again.passed(streamSequence - 1, this.#toKey);
    this.passed(streamTime);
    return window.append(streamSequence);
  }

  /** The router has passed everything up to `anchor` in the stream. */
  routed(anchor: Anchor): void {
    // Also after a halt: events of this batch may have been decided before it, and the anchor is never behind those.
    if (anchor.sequence > this.#anchor.sequence) this.#anchor = anchor;
    if (this.#halting.isHalted) return;
    this.#decisions.window.advance(anchor.sequence);
    this.#again.passed(anchor.sequence, this.#toKey);
  }

  /** An operator accepted that sequences `first` to `last` are gone; the record says so from the next commit on. */
  skip(first: number, last: number): void {
    const { window } = this.#decisions;
    if (last <= window.high) return;
    this.#gaps = withRange(this.#gaps, Math.max(first, window.high + 1), last);
    window.advance(last);
    this.#again.passed(last, this.#toKey);
    this.#decisions.touch();
  }

  /** The stream has reached this time (epoch ms) without an event for this partition. */
  passed(streamTime: number): void {
    if (streamTime > this.#streamTime) this.#streamTime = streamTime;
    if (this.#buffer.size > 0 && this.#watermark.passed(streamTime)) this.#release();
    this.#keys.passed(streamTime);
  }

  /** Keys whose state the host must load. */
  takeWanted(): string[] {
    return this.#state.takeWanted();
  }

  /** Takes in a key's stored state, or that there is none; what waited for it is applied, in order. */
  loaded(key: string, stored: string | undefined): void {
    const problem = this.#state.fill(key, stored);
    if (problem !== undefined) {
      this.#halting.stop('CORRUPT_CHECKPOINT', problem);
      return;
    }
    const row = this.#state.resident(key);
    if (row >= 0) this.#keys.loaded(row);
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
      this.#halting.stop('STATE_INVALID', (error as Error).message);
      return undefined;
    }
    this.#saving = true;
    this.#savedHigh = this.#decisions.window.high;
    // Before the rest: what is stored as parked from now on no longer holds the floor back, and its id is known.
    const parked = this.#parking.changes(this.#streamTime, (arrival) => this.#decisions.park(arrival));
    const { dedupe, dead } = this.#decisions.cut();
    return {
      partition: this.partition,
      owner: this.#owner,
      number: this.#number + 1,
      record: encodeRecord(this.#record(savedAt)),
      state,
      dedupePut: dedupe.put,
      dedupeDrop: dedupe.drop,
      dead,
      parked,
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

  /** What an operator decided about a quarantined key. Durable with the next commit. */
  operate(key: string, action: QuarantineAction): OperationOutcome {
    return this.#keys.operate(key, action);
  }

  /** Applies a stored dead letter that an operator sends again. Durable with the next commit. */
  replay(raw: RawEvent, event: Event): OperationOutcome | Rejection {
    return this.#keys.replay(raw, event);
  }

  /** What is remembered under the event's id and key, or undefined. */
  knownAs({ id, key }: Event): Seen | undefined {
    return this.#decisions.knownAs(id, key);
  }

  /** Whether the event at this stream sequence is decided. A letter of one that is not is left of a lost checkpoint. */
  hasDecided(streamSequence: number): boolean {
    return this.#decisions.window.isDecided(streamSequence);
  }

  /** An operator has dealt with a stored dead letter. */
  discard(streamSequence: number): void {
    this.#decisions.discard(streamSequence);
  }

  /** Quarantined keys with their reasons, and how many events each has parked. */
  quarantined(): { readonly key: string; readonly quarantine: Quarantine; readonly parked: number }[] {
    const found = [];
    for (const { key, quarantine, parked } of this.#parking.keys())
      if (quarantine !== undefined) found.push({ key, quarantine, parked: parked?.length ?? 0 });
    return found;
  }

  /** The event that a quarantined key waits for, or undefined. */
  quarantinedEvent(key: string): RawEvent | undefined {
    const wait = this.#waitOf(key);
    return wait?.quarantine === undefined ? undefined : wait.parked?.[0]?.raw;
  }

  /** What is known about the event with this id: its decision, what it waits for, and recent explanations. */
  explain(id: string): Explanation {
    const seen = this.#decisions.seen(id);
    const isOpen = ({ decision }: Seen): boolean => decision === Decision.waiting || decision === Decision.parked;
    const open = new Set(seen.filter(isOpen).map(({ streamSequence }) => streamSequence));
    return { seen, waits: open.size === 0 ? [] : this.#waits(open), notes: this.#decisions.notesAbout(id) };
  }

  /** What is known about a key: what waits and for what, and recent explanations. */
  inspect(key: string): KeyInspection {
    const row = this.#state.resident(key);
    return inspectKey(key, {
      held: this.#buffer,
      wait: this.#waitOf(key),
      next: row < 0 ? undefined : this.#state.next(row),
      watermark: this.#watermark.value,
      notes: this.#decisions.notesAboutKey(key),
    });
  }

  /** By their numbers: to read the id of everything that is held would be to decode it. */
  #waits(open: ReadonlySet<number>): string[] {
    const waits: string[] = [];
    const isOpen = ({ streamSequence }: Arrival): boolean => open.has(streamSequence);
    for (const arrival of this.#buffer)
      if (isOpen(arrival))
        waits.push(`held until the watermark (${this.#watermark.value}) passes its time (${arrival.time})`);
    for (const { key, row, parked, quarantine } of this.#parking.keys()) {
      if (!parked?.some(isOpen)) continue;
      const name = JSON.stringify(key);
      if (quarantine === undefined) waits.push(`waits for number ${this.#state.next(row)} of key ${name}`);
      else
        waits.push(`key ${name} is quarantined since event ${quarantine.sequence}: ${quarantine.problems.join('; ')}`);
    }
    if (this.#keys.loading > 0)
      for (const { key, waiting } of this.#state.waits())
        if (waiting?.some(isOpen)) waits.push(`the state of ${JSON.stringify(key)} is loaded`);
    if (this.#again.left.some((sequence) => open.has(sequence)))
      waits.push('came due before the last recovery, and waits for those that came due before it');
    return waits;
  }

  #waitOf(key: string): KeyWait | undefined {
    const row = this.#state.resident(key);
    return row < 0 ? undefined : this.#state.wait(row);
  }

  #record(savedAt: number): PartitionRecord {
    return {
      format: RECORD_FORMAT,
      layout: this.#options.layout,
      partition: this.partition,
      chain: this.#start.chain,
      position: this.#decisions.window.snapshot(),
      anchor: this.#anchor,
      watermark: this.#watermark.value,
      maxTime: this.#watermark.maxTime,
      arrival: this.#watermark.lastArrival,
      due: this.#dueUndecided(),
      counters: this.#decisions.counters,
      deadStored: this.#decisions.lettersStored,
      gaps: this.#gaps,
      savedAt,
    };
  }

  /**
   * Due events that wait for their state, or that a halt left undecided, in the order in which they came due: the
   * watermark has passed them, so a recovery could not tell it from the stream. Other orders follow the stream.
   */
  #dueUndecided(): readonly number[] {
    if (this.#options.order !== 'time') return [];
    const due = [...this.#halting.left];
    if (this.#keys.loading > 0)
      for (const { waiting } of this.#state.waits())
        for (const arrival of waiting ?? []) due.push(arrival.streamSequence);
    return due.concat(this.#again.left);
  }

  #setAheadAside(offered: Offered, slot: number): void {
    const problems = [`the event time is ${offered.time - Math.floor(offered.streamTime)} ms ahead of the stream`];
    this.#buryOffered(offered, slot, { code: 'EVENT_TIME_AHEAD', problems });
  }

  /** An event that cannot be decoded: a dead letter, or, where its key is known, the beginning of a quarantine. */
  #reject(raw: RawEvent, slot: number, rejection: Rejection, key: string | undefined): void {
    // With order `sequence` its number is unknown, so it has no place to wait in: the gap it leaves says the rest.
    if (key === undefined || this.#options.poison === 'dead-letter' || this.#options.order === 'sequence')
      this.#bury(raw, slot, rejection, key, undefined);
    else {
      const source = new DecodedEvent(raw, placeholder(raw, key));
      const arrival = this.#whole(source, slot, this.#state.rowOf(key), rejection);
      this.#state.hold(arrival.row);
      this.#again.take(arrival, this.#toKey);
    }
  }

  /** Sets an event aside that never gets as far as its key. */
  #bury(raw: RawEvent, slot: number, why: Rejection, key: string | undefined, id: string | undefined): void {
    if (!this.#decisions.hasLetterRoom()) return;
    this.#decisions.bury(raw, why, key, id);
    this.#decisions.decide(slot);
  }

  #buryOffered(offered: Offered, slot: number, why: Rejection): void {
    const { source, place, key, id } = offered;
    this.#bury(source.rawAt(place), slot, why, key, id);
  }

  #accept(offered: Offered, slot: number, time: number, isClamped: boolean): void {
    const { order } = this.#options;
    if (order === 'sequence' && offered.sequence === undefined) {
      const problems = ['the event has no sequence, and the order is by sequence'];
      this.#buryOffered(offered, slot, { code: 'EVENT_UNNUMBERED', problems });
      return;
    }
    const row = this.#state.rowOfOffered(offered);
    const seen = this.#decisions.admit(offered, time, slot, this.#state.keyHash(row));
    if (seen === undefined) return;
    const { source, place, streamSequence } = offered;
    const bytes = offered.size + ARRIVAL_BYTES;
    this.#state.hold(row);
    // What is held is newer than the watermark was before this event moved it: behind that, nothing is overtaken.
    const isBehind = time <= this.#watermark.value;
    this.#watermark.observe(time, offered.streamTime);
    if (order === 'time' && !isBehind)
      this.#buffer.push(source, place, row, time, streamSequence, bytes, slot, seen, isClamped);
    else
      this.#again.take(
        new Arrival(source, place, row, time, streamSequence, bytes, slot, seen, isClamped, undefined),
        this.#toKey,
      );
    if (order !== 'time') return;
    this.#release();
    this.#bound();
  }

  /** The arrival of an event that no index of ids knows. */
  #whole(source: DecodedEvent, slot: number, row: number, why: Rejection | undefined, isClamped = false): Arrival {
    const { raw, event } = source;
    const bytes = raw.body.length + ARRIVAL_BYTES;
    return new Arrival(source, 0, row, event.time, raw.streamSequence, bytes, slot, -1, isClamped, why);
  }

  /** Takes a stored parked event back in; it is below the floor already. */
  #restoreParked(raw: RawEvent, decoded: Decoded): void {
    const rejection = decoded.kind === 'rejected' ? decoded.rejection : undefined;
    const key = decoded.kind === 'rejected' ? decoded.key : decoded.event.key;
    if (key === undefined) {
      this.#halting.stop('CORRUPT_CHECKPOINT', `parked event ${raw.streamSequence} has no key`);
      return;
    }
    const read = decoded.kind === 'event' ? decoded.event : placeholder(raw, key);
    // Whatever the policy is now: it was let through, and its time must not become what it was not then.
    const limit = Math.floor(raw.streamTime) + this.#options.aheadMsMax;
    const isClamped = read.time > limit;
    const source = new DecodedEvent(raw, isClamped ? { ...read, time: limit } : read);
    const row = this.#state.rowOf(key);
    this.#state.hold(row);
    this.#parking.append(this.#state.waitOf(row), this.#whole(source, -1, row, rejection, isClamped));
  }

  #release(): void {
    const watermark = this.#watermark.value;
    for (let due = this.#buffer.shiftUpTo(watermark); due !== undefined; due = this.#buffer.shiftUpTo(watermark))
      this.#keys.due(due);
  }

  /** Keeps the buffer inside its bounds by releasing the oldest early: order is kept, the settle window is not. */
  #bound(): void {
    const { bufferEventsMax, bufferBytesMax } = this.#options;
    while (this.#buffer.size > bufferEventsMax || this.#buffer.bytes > bufferBytesMax) {
      this.#watermark.force(this.#buffer.firstTime);
      this.#forced++;
      this.#release();
    }
  }
}

/** Stands for an event that could not be decoded, so that it can wait in its key's order. */
function placeholder(raw: RawEvent, key: string): Event {
  return { id: '', key, time: Math.floor(raw.streamTime), sequence: undefined, type: undefined, data: null };
}
