/**
 * The order inside each key: due events are applied one after the other, or wait where they may not be applied yet.
 *
 * Owns what waits for its state, what is parked, and the handler. Does not own when an event comes due.
 *
 *   due → (state here?) waiting → (may be applied?) parked → applied | late | refused (dead letter, quarantine)
 *
 * Invariants
 * K1. A key's due events are decided in the order they came due, or, with order `sequence`, by their numbers without
 *     a break; also while its state is loaded, and through a quarantine.
 * K2. Late means: older than the newest event applied to the same key. Never: behind the partition's watermark.
 * K3. Nothing is decided after a halt.
 */
import { Decision } from '../dedupe/dedupe-index.js';
import type { Decoded } from '../event/decode.js';
import type { Event, RawEvent } from '../event/event.js';
import { DecodedEvent } from '../event/offered.js';
import type { Rejection } from '../event/reject.js';
import { Arrival } from './arrival.js';
import type { Decisions } from './decisions.js';
import type { Folding } from './folding.js';
import type { Halting } from './halting.js';
import type { HeldEvents } from './held-events.js';
import type { KeyWait } from './key-wait.js';
import type { KeyedState } from './keyed-state.js';
import type { Outbox } from './outbox.js';
import type { Parking, Quarantine } from './parking.js';

export interface KeyOrderOptions {
  readonly order: 'none' | 'time' | 'sequence';
  readonly late: 'drop' | 'apply' | 'dead-letter';
  /** Order `sequence`: how long a missing number is waited for, stream time. */
  readonly gapMs: number;
  readonly gap: 'skip' | 'quarantine' | 'halt';
  /** What becomes of an event that its handler refuses. */
  readonly poison: 'dead-letter' | 'quarantine';
  /** Events that wait for an operator or for a missing number. */
  readonly parkedMax: number;
}

/** What an operator does about a quarantined key. */
export type QuarantineAction =
  /** Try the event again, and then what follows. */
  | { readonly kind: 'release' }
  /** Make the event a dead letter, or give up the missing numbers, and go on with what follows. */
  | { readonly kind: 'skip' }
  /** Put another body in the event's place, and try that. */
  | { readonly kind: 'edit'; readonly raw: RawEvent; readonly decoded: Decoded };

/** What became of it. */
export type OperationOutcome = 'done' | 'quarantined' | 'loading' | 'held' | 'not-found';

export interface KeyOrderParts {
  readonly state: KeyedState;
  readonly held: HeldEvents;
  readonly decisions: Decisions;
  readonly parking: Parking;
  readonly folding: Folding;
  readonly outbox: Outbox;
  readonly halting: Halting;
}

export class KeyOrder {
  readonly #options: KeyOrderOptions;
  readonly #parts: KeyOrderParts;
  /** Due events that wait for their key's state. */
  #loading = 0;
  /** Newest stream time that was passed, epoch ms. */
  #streamTime = Number.NEGATIVE_INFINITY;

  constructor(options: KeyOrderOptions, parts: KeyOrderParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Due events that wait for their key's state. */
  get loading(): number {
    return this.#loading;
  }

  /** An event comes due. */
  due(arrival: Arrival): void {
    const { state } = this.#parts;
    if (state.isLoaded(arrival.row)) {
      this.#apply(arrival);
      return;
    }
    const wait = state.waitOf(arrival.row);
    wait.waiting ??= [];
    wait.waiting.push(arrival);
    this.#loading++;
  }

  /** The state of a key is here. */
  loaded(row: number): void {
    const { state } = this.#parts;
    this.#goOn(row); // what an earlier incarnation had parked comes first
    const wait = state.wait(row);
    const waiting = wait?.waiting;
    if (wait === undefined || waiting === undefined) return;
    wait.waiting = undefined;
    state.settle(row);
    this.#loading -= waiting.length;
    for (const arrival of waiting) {
      this.#expire(row, arrival);
      this.#apply(arrival);
    }
  }

  /** The stream has reached this time, epoch ms: numbers that are missing too long are given up. */
  passed(streamTime: number): void {
    if (streamTime > this.#streamTime) this.#streamTime = streamTime;
    const { parking } = this.#parts;
    if (!parking.hasGaps) return;
    const since = streamTime - this.#options.gapMs;
    // Where the state is still being loaded, what waits for it looks again (see `#expire`).
    for (let wait = parking.expired(since); wait !== undefined; wait = parking.expired(since))
      if (this.#parts.state.isLoaded(wait.row)) this.#giveUp(wait);
  }

  /** Gives up what was missing too long when this event came: as it was decided with the state at hand. */
  #expire(row: number, arrival: Arrival): void {
    const { state, halting } = this.#parts;
    for (let wait = state.wait(row); wait?.gapSince !== undefined && !halting.isHalted; wait = state.wait(row)) {
      if (wait.gapSince > arrival.raw.streamTime - this.#options.gapMs) return;
      this.#giveUp(wait);
    }
  }

  /** Puts the restored parked events of a key into the order in which they will be applied. */
  sortRestored(wait: KeyWait): void {
    const { order } = this.#options;
    const cause = wait.quarantine?.sequence;
    const place = (arrival: Arrival): number => {
      if (order === 'sequence') return arrival.event.sequence ?? 0;
      if (arrival.streamSequence === cause) return Number.NEGATIVE_INFINITY;
      return order === 'time' ? arrival.time : 0;
    };
    wait.parked?.sort((a, b) => place(a) - place(b) || a.streamSequence - b.streamSequence);
    if (this.#parts.state.isLoaded(wait.row)) this.#goOn(wait.row); // no key is stored, so no load will do it
  }

  /** Does what an operator decided about a quarantined key, and goes on behind it, or leaves that to the next claim (K3). */
  operate(key: string, action: QuarantineAction): OperationOutcome {
    const { state, parking, decisions, halting } = this.#parts;
    const row = state.resident(key);
    const wait = row < 0 ? undefined : state.wait(row);
    const quarantine = wait?.quarantine;
    if (wait === undefined || quarantine === undefined || halting.isDamaged) return 'not-found';
    if (!state.isLoaded(row)) return 'loading';
    const head = wait.parked?.[0];
    if (head !== undefined && action.kind === 'edit' && this.#isEarly(head)) return 'held';
    parking.release(wait);
    decisions.touch();
    if (head !== undefined && action.kind === 'skip') this.#skipHead(wait, head, quarantine);
    if (head !== undefined && action.kind === 'edit') this.#editHead(wait, head, action);
    this.#goOn(row);
    return state.wait(row)?.quarantine === undefined ? 'done' : 'quarantined';
  }

  /** Applies a dead letter that an operator sends again, now and whatever its place was; the letter is then gone. */
  replay(raw: RawEvent, event: Event): OperationOutcome | Rejection {
    const { state, decisions, folding } = this.#parts;
    const row = state.rowOf(event.key);
    if (!state.isLoaded(row)) return 'loading';
    if (state.wait(row)?.quarantine !== undefined) return 'quarantined';
    const { streamSequence } = raw;
    const content = new DecodedEvent(raw, event);
    const arrival = new Arrival(content, 0, row, event.time, streamSequence, 0, -1, -1, false, undefined);
    const refused = folding.apply(arrival);
    if (refused !== undefined) return refused;
    this.#applied(arrival);
    decisions.redecide(arrival, Decision.applied);
    decisions.discard(streamSequence);
    return 'done';
  }

  /** A due event whose key's state is here: decided now, or parked behind what is parked. */
  #apply(arrival: Arrival): void {
    const { state, parking, halting } = this.#parts;
    const wait = state.wait(arrival.row);
    if (halting.isHalted) halting.leave(arrival);
    else if (this.#options.order === 'sequence') this.#applyInSequence(arrival, arrival.event.sequence!, wait);
    else if (wait?.quarantine === undefined) this.#judge(arrival);
    else if (this.#hasRoom(arrival)) parking.append(wait, arrival);
  }

  #applyInSequence(arrival: Arrival, number: number, known: KeyWait | undefined): void {
    const { row } = arrival;
    const { state, parking } = this.#parts;
    const next = state.next(row);
    if (number < next) {
      this.#repeated(arrival);
      return;
    }
    if (number === next && known?.quarantine === undefined) {
      this.#judge(arrival);
      this.#goOn(row);
      return;
    }
    if (!this.#hasRoom(arrival)) return;
    const wait = state.waitOf(row);
    if (!parking.insert(wait, arrival, number)) this.#repeated(arrival);
    else if (wait.quarantine === undefined && wait.gapSince === undefined) parking.gap(wait, arrival.raw.streamTime);
  }

  /** A number that was decided, or waits already: a duplicate for ever, whatever its id. */
  #repeated(arrival: Arrival): void {
    const { state, decisions } = this.#parts;
    state.release(arrival.row);
    decisions.counters.duplicates++;
    const detail = `number ${arrival.event.sequence} of its key was there before`;
    decisions.note(arrival.event, arrival.streamSequence, 'duplicate', detail);
    this.#finish(arrival, Decision.skipped);
  }

  /** Decides what is parked and may be decided now. */
  #goOn(row: number): void {
    const { state, parking, halting } = this.#parts;
    const wait = state.wait(row);
    if (wait === undefined) return;
    const bySequence = this.#options.order === 'sequence';
    while (wait.parked !== undefined && wait.quarantine === undefined && !halting.isHalted) {
      const first = wait.parked[0]!;
      const next = state.next(row);
      const number = bySequence ? first.event.sequence! : next;
      if (number > next) {
        // It has waited since it came, also where other gaps before it took their time, or an incarnation ended.
        parking.gap(wait, first.raw.streamTime);
        return;
      }
      parking.shift(wait);
      if (number < next) this.#repeated(first);
      else this.#judge(first);
    }
    if (wait.gapSince !== undefined) parking.gap(wait, undefined);
    state.settle(row);
  }

  /** A missing number has not come in time. */
  #giveUp(wait: KeyWait): void {
    const { state, halting } = this.#parts;
    const first = wait.parked?.[0];
    if (first === undefined || halting.isHalted) return;
    const found = first.event.sequence!;
    const next = state.next(wait.row);
    const missing = found - 1 === next ? `${next}` : `${next} to ${found - 1}`;
    const problem = `key ${JSON.stringify(wait.key)}: ${missing} did not come within ${this.#options.gapMs} ms of ${found}`;
    switch (this.#options.gap) {
      case 'skip':
        this.#skipNumbers(wait.row, found);
        this.#goOn(wait.row);
        return;
      case 'quarantine':
        this.#quarantine(first, { code: 'SEQUENCE_GAP', problems: [problem] });
        return;
      case 'halt':
        halting.stop('SEQUENCE_GAP', problem);
        return;
    }
  }

  /** Decides a due event: late, refused, or applied. */
  #judge(arrival: Arrival): void {
    const { state, decisions, folding } = this.#parts;
    const isLate =
      arrival.time < state.time(arrival.row) && this.#options.order === 'time' && arrival.rejection === undefined;
    if (isLate && this.#options.late !== 'apply') {
      this.#setLateAside(arrival);
      return;
    }
    const rejection = arrival.rejection ?? folding.apply(arrival);
    if (rejection !== undefined) {
      if (this.#options.poison === 'quarantine') this.#park(arrival, rejection);
      else if (this.#bury(arrival, rejection) && isLate) decisions.counters.late++;
      return;
    }
    this.#leave(arrival);
    this.#applied(arrival);
    if (isLate) decisions.counters.late++;
    this.#finish(arrival, Decision.applied);
  }

  /** The handler has applied the event. */
  #applied(arrival: Arrival): void {
    const { row, event, streamSequence, time } = arrival;
    const { state, decisions, folding, outbox } = this.#parts;
    state.advance(row, event.key, event.id, time, streamSequence);
    if (folding.hasOutputs) folding.outputs(arrival, (output) => outbox.add(output));
    decisions.counters.applied++;
  }

  #setLateAside(arrival: Arrival): void {
    const { row, event } = arrival;
    const { state, decisions } = this.#parts;
    const ms = state.time(row) - arrival.time;
    const detail = `older by ${ms} ms than what its key has applied, last event ${state.lastId(row)}`;
    if (this.#options.late === 'dead-letter') {
      if (this.#bury(arrival, { code: 'EVENT_LATE', problems: [detail] })) decisions.counters.late++;
      return;
    }
    decisions.counters.late++;
    decisions.note(event, arrival.streamSequence, 'late', detail);
    this.#leave(arrival);
    this.#finish(arrival, Decision.late);
  }

  /** Makes the event a dead letter. False if none fits any more: then the partition has stopped. */
  #bury(arrival: Arrival, rejection: Rejection): boolean {
    const { row, raw, event } = arrival;
    const { state, decisions, halting } = this.#parts;
    if (!decisions.hasLetterRoom()) {
      halting.leave(arrival);
      return false;
    }
    this.#leave(arrival);
    decisions.bury(raw, rejection, event.key, arrival.rejection === undefined ? event.id : undefined);
    this.#finish(arrival, Decision.dead);
    if (this.#options.order === 'sequence') state.markDirty(row); // its number is used up
    return true;
  }

  /** The event begins a quarantine: it waits at the head of its key's events. */
  #park(arrival: Arrival, rejection: Rejection): void {
    const { state, parking, decisions } = this.#parts;
    if (!this.#hasRoom(arrival)) return;
    parking.prepend(state.waitOf(arrival.row), arrival);
    this.#quarantine(arrival, rejection);
    const detail = `quarantined: ${rejection.problems.join('; ')}`;
    decisions.note(arrival.event, arrival.streamSequence, 'parked', detail);
  }

  #quarantine({ row, streamSequence }: Arrival, { code, problems }: Pick<Quarantine, 'code' | 'problems'>): void {
    const { state, parking } = this.#parts;
    const since = this.#streamTime;
    parking.quarantine(state.waitOf(row), { code, problems, sequence: streamSequence, since });
  }

  /** Its time was unknown, so it came first: those of its key that are still held, and are older, must be due before it. */
  #isEarly({ row, time, streamSequence, rejection }: Arrival): boolean {
    if (rejection === undefined || this.#options.order !== 'time') return false;
    return this.#parts.held.hasBefore(row, time, streamSequence);
  }

  #skipHead(wait: KeyWait, head: Arrival, quarantine: Quarantine): void {
    if (quarantine.code === 'SEQUENCE_GAP') {
      this.#skipNumbers(wait.row, head.event.sequence!);
      return;
    }
    this.#parts.parking.shift(wait);
    const code = quarantine.code as Rejection['code'];
    if (!this.#bury(head, { code, problems: quarantine.problems })) this.#parts.parking.prepend(wait, head);
  }

  #skipNumbers(row: number, next: number): void {
    const { state, decisions } = this.#parts;
    decisions.counters.skipped += next - state.next(row);
    state.setNext(row, next);
    state.markDirty(row);
  }

  #editHead(wait: KeyWait, head: Arrival, { raw, decoded }: Extract<QuarantineAction, { kind: 'edit' }>): void {
    const { parking } = this.#parts;
    if (decoded.kind === 'rejected') {
      parking.replace(wait, head.edited(raw, head.event, decoded.rejection), false);
      return;
    }
    // Its place stays what it was: only the content is new. One that could not be decoded waited before older ones.
    const { id, type, data } = decoded.event;
    const event = { ...head.event, id: head.event.id === '' ? id : head.event.id, type, data };
    const byTime = head.rejection !== undefined && this.#options.order === 'time';
    parking.replace(wait, head.edited(raw, event, undefined), byTime);
  }

  /** The event is about to be decided: it holds its key no longer, and its number is used up. */
  #leave(arrival: Arrival): void {
    const { state, decisions } = this.#parts;
    state.release(arrival.row);
    if (arrival.isClamped) decisions.counters.clamped++;
    if (this.#options.order === 'sequence') state.setNext(arrival.row, arrival.event.sequence! + 1);
  }

  #finish(arrival: Arrival, decision: Decision): void {
    this.#parts.parking.forget(arrival);
    this.#parts.decisions.finish(arrival, decision);
  }

  /** Whether one more event may be parked. If not, the partition stops, and the event stays undecided. */
  #hasRoom(arrival: Arrival): boolean {
    const { parking, halting } = this.#parts;
    if (parking.size < this.#options.parkedMax) return true;
    halting.stop('PARKED_FULL', `${parking.size} events are parked`);
    halting.leave(arrival);
    return false;
  }
}
