/**
 * The book of what was decided in one partition: position, dedupe, counters, dead letters, recent explanations.
 *
 * Invariants
 * V1. An event is decided once: its slot in the position, its id, its counter and its dead letter change together.
 * V2. What leaves with a cut is exactly what was decided since the cut before.
 */
import type { FieldChanges } from '../checkpoint/commit.js';
import type { Counters, PartitionRecord } from '../checkpoint/record.js';
import type { Decision as DecisionValue, KeyHash, Seen } from '../dedupe/dedupe-index.js';
import { Decision, DedupeIndex, keyHashOf } from '../dedupe/dedupe-index.js';
import type { DedupeDelta, StoredSegment } from '../dedupe/dedupe-segments.js';
import { DedupeSegments } from '../dedupe/dedupe-segments.js';
import type { Event, RawEvent } from '../event/event.js';
import type { Offered } from '../event/offered.js';
import type { Rejection } from '../event/reject.js';
import { bodyHash } from '../key/hash.js';
import { PositionWindow } from '../position/position-window.js';
import type { Arrival } from './arrival.js';
import { DeadLetterBox } from './dead-letter-box.js';
import type { DecisionNote } from './decision-log.js';
import { DecisionLog } from './decision-log.js';
import type { Halting } from './halting.js';

export interface DecisionOptions {
  /** undefined: handlers are idempotent, no index is kept. */
  readonly dedupe: { readonly horizonMs: number; readonly idsMax: number } | undefined;
  readonly deadLettersMax: number;
}

/** What an explanation names an event by. */
type Named = Pick<Event, 'id' | 'key'>;

/** Explained decisions that are kept in memory. */
const NOTES_MAX = 500;

export class Decisions {
  readonly window: PositionWindow;
  readonly counters: Counters;
  readonly #dedupe: DedupeIndex | undefined;
  readonly #segments: DedupeSegments | undefined;
  readonly #letters: DeadLetterBox;
  readonly #notes = new DecisionLog(NOTES_MAX);
  readonly #halting: Halting;
  /** Dedupe entries decided since the last cut. */
  #ids: number[] = [];
  /** Decisions since the last cut. */
  #fresh = 0;

  constructor(options: DecisionOptions, record: PartitionRecord, segments: readonly StoredSegment[], halting: Halting) {
    this.#halting = halting;
    this.window = new PositionWindow(record.position);
    this.counters = { ...record.counters, dead: { ...record.counters.dead } };
    this.#letters = new DeadLetterBox(options.deadLettersMax, record.deadStored);
    if (options.dedupe === undefined) return;
    const { horizonMs, idsMax } = options.dedupe;
    this.#dedupe = new DedupeIndex(horizonMs, idsMax);
    this.#segments = new DedupeSegments(horizonMs, idsMax);
    const problem = this.#segments.restore(segments, this.#dedupe);
    if (problem !== undefined) halting.stop('CORRUPT_CHECKPOINT', `dedupe ${problem}`);
  }

  get isDirty(): boolean {
    return this.#fresh > 0 || this.#letters.isDirty;
  }

  /** Rough size of the next cut, bytes. */
  get bytes(): number {
    return this.#ids.length * 28 + this.#letters.fresh * 1024;
  }

  get ids(): number {
    return this.#dedupe?.size ?? 0;
  }

  get idsEvictedEarly(): number {
    return this.#dedupe?.evictedEarly ?? 0;
  }

  get lettersStored(): number {
    return this.#letters.size;
  }

  /** Something changed that the next cut must contain. */
  touch(): void {
    this.#fresh++;
  }

  /**
   * Looks the event up and remembers it as waiting. Its dedupe entry (−1 where no index is kept), or undefined if it
   * is a duplicate and decided with that.
   */
  admit(offered: Offered, time: number, slot: number, keyHash: KeyHash): number | undefined {
    if (this.#dedupe === undefined) return -1;
    const body = offered.hashBody();
    const first = this.#dedupe.findOffered(offered, keyHash);
    if (first < 0) return this.#dedupe.insert(time, offered.streamSequence, body);
    this.counters.duplicates++;
    const isSame = this.#dedupe.hasBody(first, body);
    if (!isSame) this.counters.conflicts++;
    this.note(offered, offered.streamSequence, 'duplicate', this.#repeats(first, isSame));
    this.decide(slot);
    return undefined;
  }

  #repeats(first: number, isSame: boolean): string {
    return `repeats event ${this.#dedupe!.seen(first).streamSequence} of the stream${isSame ? '' : ' with another body'}`;
  }

  /** An event that never got as far as its key's order is decided. */
  decide(slot: number): void {
    this.#fresh++;
    this.window.decide(slot);
  }

  /** Every end of an event that had a key. The caller has removed the stored copy of one that was parked. */
  finish(arrival: Arrival, decision: DecisionValue): void {
    this.#fresh++;
    if (arrival.slot >= 0) {
      this.window.decide(arrival.slot);
      this.#decideId(arrival.seen, decision);
    } else this.redecide(arrival, decision);
  }

  /**
   * Another decision about an event that was decided before, as parked or dead. An id that is not known is new: an
   * operator has written it into a body that had none, and it must not be applied again. One that is another event's
   * has left the horizon and come again: that event decides for itself.
   */
  redecide({ event, raw }: Arrival, decision: DecisionValue): void {
    this.#fresh++;
    if (this.#dedupe === undefined || event.id === '') return;
    const known = this.#dedupe.find(event.id, keyHashOf(event.key));
    if (known < 0) this.#decideId(this.#dedupe.insert(event.time, raw.streamSequence, bodyHash(raw.body)), decision);
    else if (this.#dedupe.seen(known).streamSequence === raw.streamSequence) this.#decideId(known, decision);
  }

  /** What is remembered under this id of the key, or undefined. */
  knownAs(id: string, key: string): Seen | undefined {
    const known = this.#dedupe?.find(id, keyHashOf(key)) ?? -1;
    return known < 0 ? undefined : this.#dedupe?.seen(known);
  }

  /** The event is stored as a parked one: the floor may pass it, and its id is known. */
  park(arrival: Arrival): void {
    this.window.decide(arrival.slot);
    this.#decideId(arrival.seen, Decision.parked);
  }

  /** Whether one more dead letter fits. If not, the partition stops. */
  hasLetterRoom(): boolean {
    if (!this.#letters.isFull) return true;
    this.#halting.stop('DEAD_LETTERS_FULL', `${this.#letters.size} dead letters are stored`);
    return false;
  }

  /** Writes a dead letter; ask `hasLetterRoom` first. */
  bury(raw: RawEvent, why: Rejection, key: string | undefined, id: string | undefined): void {
    this.#letters.add(raw, why, key, id);
    this.counters.dead[why.code] = (this.counters.dead[why.code] ?? 0) + 1;
    const detail = `${why.code}: ${why.problems.join('; ')}`;
    const { streamSequence } = raw;
    this.#notes.add({ id: id ?? '', key: key ?? '', streamSequence, decision: 'dead', detail });
  }

  /** An operator has dealt with a stored dead letter. */
  discard(streamSequence: number): void {
    this.#letters.discard(streamSequence);
  }

  note(event: Named, streamSequence: number, decision: DecisionNote['decision'], detail: string): void {
    this.#notes.add({ id: event.id, key: event.key, streamSequence, decision, detail });
  }

  seen(id: string): readonly Seen[] {
    return this.#dedupe?.findAll(id) ?? [];
  }

  notesAbout(id: string): readonly DecisionNote[] {
    return this.#notes.about(id);
  }

  notesAboutKey(key: string): readonly DecisionNote[] {
    return this.#notes.aboutKey(key);
  }

  /** V2. */
  cut(): { readonly dedupe: DedupeDelta; readonly dead: FieldChanges } {
    const ids = this.#ids;
    this.#ids = [];
    this.#fresh = 0;
    const none = { put: [], drop: [] };
    const dedupe = this.#dedupe === undefined ? none : (this.#segments?.delta(this.#dedupe, ids) ?? none);
    return { dedupe, dead: this.#letters.changes() };
  }

  #decideId(seen: number, decision: DecisionValue): void {
    if (seen < 0) return;
    this.#dedupe?.decide(seen, decision);
    this.#ids.push(seen);
  }
}
