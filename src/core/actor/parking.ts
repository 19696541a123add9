/**
 * Events of one partition that are due but may not be applied: their key is quarantined, or an event before them
 * in the key's own numbering has not come. They wait in order, per key.
 *
 * An event that waits long is stored with the checkpoint, body and all, so that the floor can move past it; until
 * then it is simply undecided and is read again after a crash.
 *
 * Invariants
 * Q1. The parked events of a key are in the order in which they will be applied.
 * Q2. An event is either undecided in the position or stored here, never neither: it is marked decided by the same
 *     cut that stores it, and the stored copy goes with the cut that decides it.
 * Q3. A quarantine and its reason are stored with the first cut after it began.
 */
import type { FieldChanges } from '../checkpoint/commit.js';
import type { Arrival } from './arrival.js';
import type { KeyWait } from './key-wait.js';

/** Why the events of a key wait for an operator. */
export interface Quarantine {
  readonly code: string;
  readonly problems: readonly string[];
  /** Stream sequence of the event that caused it. */
  readonly sequence: number;
  /** Stream time at which it began, epoch ms. */
  readonly since: number;
}

/** Field of a quarantine in the stored hash; events have their stream sequence. */
const KEY_PREFIX = 'key:';

export class Parking {
  readonly #storeAfterMs: number;
  /** Keys that have parked events. */
  readonly #waits = new Set<KeyWait>();
  /** Gaps by the stream time at which they began, oldest first; outdated ones are passed over. */
  #gaps: { wait: KeyWait; since: number }[] = [];
  #set = new Map<string, string>();
  #remove = new Set<string>();
  #size = 0;
  /** Stream time from which a parked event may have to be stored; never too late. */
  #storeAt = Number.POSITIVE_INFINITY;

  /** `storeAfterMs`: how long an event waits in memory only, stream time. */
  constructor(storeAfterMs: number) {
    this.#storeAfterMs = storeAfterMs;
  }

  /** Parked events. */
  get size(): number {
    return this.#size;
  }

  /** Something must be stored by this stream time, epoch ms: a change of what is, or an event that has waited enough. */
  isDirtyAt(streamTime: number): boolean {
    if (this.#set.size > 0 || this.#remove.size > 0) return true;
    if (streamTime < this.#storeAt) return false;
    this.#storeAt = this.#nextStore();
    return streamTime >= this.#storeAt;
  }

  /** Keys whose events are parked, with their quarantine if it is one. */
  keys(): Iterable<KeyWait> {
    return this.#waits;
  }

  /** Parks behind what is parked already. */
  append(wait: KeyWait, arrival: Arrival): void {
    arrival.detach();
    this.#parkedOf(wait).push(arrival);
    this.#size++;
    this.#expectStore(wait, arrival);
  }

  /** Parks before everything else: the event that caused a quarantine. */
  prepend(wait: KeyWait, arrival: Arrival): void {
    arrival.detach();
    this.#parkedOf(wait).unshift(arrival);
    this.#size++;
  }

  /** Parks by the key's own numbering. False if an event with this number is parked already. */
  insert(wait: KeyWait, arrival: Arrival, number: number): boolean {
    const parked = this.#parkedOf(wait);
    let at = parked.length;
    while (at > 0 && parked[at - 1]!.event.sequence! > number) at--;
    if (at > 0 && parked[at - 1]!.event.sequence === number) return false;
    arrival.detach();
    parked.splice(at, 0, arrival);
    this.#size++;
    this.#expectStore(wait, arrival);
    return true;
  }

  /** Removes and returns the first parked event of a key. */
  shift(wait: KeyWait): Arrival | undefined {
    const arrival = wait.parked?.shift();
    if (arrival === undefined) return undefined;
    this.#size--;
    if (wait.parked!.length === 0) {
      wait.parked = undefined;
      this.#waits.delete(wait);
    }
    return arrival;
  }

  /** The stored copy of an event goes with the next cut. */
  forget(arrival: Arrival): void {
    if (arrival.slot >= 0) return;
    this.#drop(String(arrival.streamSequence));
  }

  /** Puts an edited event in the place of the first one, or, with `byTime`, where its time is among the others. */
  replace(wait: KeyWait, arrival: Arrival, byTime: boolean): void {
    const parked = this.#parkedOf(wait);
    parked.shift();
    let at = 0;
    if (byTime) while (at < parked.length && comesBefore(parked[at]!, arrival)) at++;
    parked.splice(at, 0, arrival);
    if (arrival.slot < 0) this.#set.set(String(arrival.streamSequence), storedText(arrival));
  }

  quarantine(wait: KeyWait, quarantine: Quarantine): void {
    wait.quarantine = quarantine;
    wait.gapSince = undefined;
    const field = KEY_PREFIX + wait.key;
    this.#remove.delete(field);
    this.#set.set(field, JSON.stringify(quarantine));
  }

  release(wait: KeyWait): void {
    wait.quarantine = undefined;
    this.#drop(KEY_PREFIX + wait.key);
  }

  /** A gap of the key's numbering begins, or ends with `since` undefined. */
  gap(wait: KeyWait, since: number | undefined): void {
    wait.gapSince = since;
    if (since === undefined) return;
    let at = this.#gaps.length;
    while (at > 0 && this.#gaps[at - 1]!.since > since) at--;
    this.#gaps.splice(at, 0, { wait, since });
  }

  /** A key whose gap began at or before this stream time and is still open, oldest first, or undefined. */
  expired(streamTime: number): KeyWait | undefined {
    while (this.#gaps.length > 0 && this.#gaps[0]!.since <= streamTime) {
      const { wait, since } = this.#gaps.shift()!;
      if (wait.gapSince === since) return wait;
    }
    return undefined;
  }

  get hasGaps(): boolean {
    return this.#gaps.length > 0;
  }

  /**
   * What changed of the stored events, with those that have waited long enough by `streamTime` added. `store` gets
   * each event that is stored now, while it still has its slot.
   */
  changes(streamTime: number, store: (arrival: Arrival) => void): FieldChanges {
    for (const wait of this.#waits) {
      for (const arrival of wait.parked ?? []) {
        if (arrival.slot < 0) continue;
        if (streamTime < this.#storeTime(wait, arrival)) continue;
        this.#set.set(String(arrival.streamSequence), storedText(arrival));
        store(arrival);
        arrival.slot = -1;
        arrival.seen = -1;
      }
    }
    const changes = { set: [...this.#set], remove: [...this.#remove] };
    this.#set = new Map();
    this.#remove = new Set();
    return changes;
  }

  #expectStore(wait: KeyWait, arrival: Arrival): void {
    this.#storeAt = Math.min(this.#storeAt, this.#storeTime(wait, arrival));
  }

  /** Stream time from which the event must be stored: at once where only an operator can free it. */
  #storeTime({ quarantine }: KeyWait, { raw, slot }: Arrival): number {
    if (slot < 0) return Number.POSITIVE_INFINITY;
    return quarantine === undefined ? raw.streamTime + this.#storeAfterMs : Number.NEGATIVE_INFINITY;
  }

  #nextStore(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const wait of this.#waits)
      for (const arrival of wait.parked ?? []) next = Math.min(next, this.#storeTime(wait, arrival));
    return next;
  }

  #parkedOf(wait: KeyWait): Arrival[] {
    wait.parked ??= [];
    this.#waits.add(wait);
    return wait.parked;
  }

  #drop(field: string): void {
    // Setting and removing inside one cut cancel out only if the field was never stored; removing always is right.
    this.#set.delete(field);
    this.#remove.add(field);
  }
}

/** A parked event as stored: what is needed to decode it again. */
export interface StoredParked {
  readonly subject: string;
  readonly headers: string | null;
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly wholeBytes?: number | undefined;
  readonly streamTime: number;
}

function storedText({ raw }: Arrival): string {
  const { subject, headers, body, encoding, wholeBytes, streamTime } = raw;
  const stored: StoredParked = { subject, headers: headers ?? null, body, encoding, wholeBytes, streamTime };
  return JSON.stringify(stored);
}

/** What the fields of the stored hash mean: quarantines by key, events by stream sequence. Undefined if unreadable. */
export function readParked(
  fields: readonly (readonly [field: string, value: string])[],
): { quarantines: Map<string, Quarantine>; events: Map<number, StoredParked> } | undefined {
  const quarantines = new Map<string, Quarantine>();
  const events = new Map<number, StoredParked>();
  try {
    for (const [field, value] of fields) {
      if (field.startsWith(KEY_PREFIX))
        quarantines.set(field.slice(KEY_PREFIX.length), JSON.parse(value) as Quarantine);
      else if (/^[1-9]\d{0,15}$/.test(field)) events.set(Number(field), JSON.parse(value) as StoredParked);
      else return undefined;
    }
  } catch {
    return undefined;
  }
  return { quarantines, events };
}

function comesBefore(a: Arrival, b: Arrival): boolean {
  return a.time < b.time || (a.time === b.time && a.streamSequence < b.streamSequence);
}
