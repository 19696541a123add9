/**
 * A world for one actor: a store that commits as a whole or not at all, a stream that is read from `floor + 1`,
 * loads that are answered when the schedule says so, crashes at any moment, and a store that may fall back.
 *
 * After every commit it checks that the stored cut is consistent (A3, I1): what the position calls decided is
 * exactly what states, dead letters and counters account for.
 */
import type { ActorOptions, ActorStart } from '../../src/core/actor/actor.js';
import { Actor } from '../../src/core/actor/actor.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { readParked } from '../../src/core/actor/parking.js';
import { readEnvelope } from '../../src/core/actor/state-envelope.js';
import type { Commit, DeadLetter, FieldChanges } from '../../src/core/checkpoint/commit.js';
import { judgeCommit } from '../../src/core/checkpoint/guard.js';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { decodeRecord, emptyCounters, encodeRecord, RECORD_FORMAT } from '../../src/core/checkpoint/record.js';
import { isDecided } from '../../src/core/position/position-window.js';
import type { Outcome } from './actor-oracle.js';
import type { Log, StreamEvent } from './actor-stream.js';
import { logHandler } from './actor-stream.js';

export const PARTITION = 3;

/** Everything a store keeps of one partition. */
interface Stored {
  readonly owner: string;
  readonly number: number;
  readonly record: string;
  readonly state: ReadonlyMap<string, string>;
  readonly segments: ReadonlyMap<number, Uint8Array>;
  readonly dead: ReadonlyMap<string, string>;
  readonly parked: ReadonlyMap<string, string>;
  readonly outbox: ReadonlyMap<string, string>;
}

/** Applies changes; `isExact` if what is removed must be there. */
function changed(map: ReadonlyMap<string, string>, changes: FieldChanges, isExact = true): Map<string, string> {
  const next = new Map([...map, ...changes.set]);
  for (const field of changes.remove) check(next.delete(field) || !isExact, `removes ${field}, which is not stored`);
  return next;
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export class World {
  readonly stream: readonly StreamEvent[];
  options: ActorOptions;
  stored: Stored;
  actor: Actor;
  /** Every output that was ever published. */
  readonly outputs = new Map<string, string>();
  /** Keys that were asked for and are not answered. */
  wanted: string[] = [];
  pending: Commit | undefined;
  crashes = 0;
  loads = 0;
  readonly #handler: Handler;
  readonly #history: Stored[] = [];
  #next = 1;
  #epoch = 1;
  /** Published, but the actor does not know yet. */
  #unnoticed: string[] = [];
  #watermark = Number.NEGATIVE_INFINITY;
  #floor = 0;

  constructor(stream: readonly StreamEvent[], options: ActorOptions, handler: Handler = logHandler as Handler) {
    this.stream = stream;
    this.options = options;
    this.#handler = handler;
    const record: PartitionRecord = {
      format: RECORD_FORMAT,
      layout: options.layout,
      partition: PARTITION,
      chain: [{ stream: 'EVENTS', base: 0 }],
      position: { floor: 0, above: [] },
      anchor: { sequence: 0, time: '' },
      watermark: Number.NEGATIVE_INFINITY,
      maxTime: Number.NEGATIVE_INFINITY,
      arrival: Number.NEGATIVE_INFINITY,
      due: [],
      counters: emptyCounters(),
      deadStored: 0,
      gaps: [],
      savedAt: 0,
    };
    const none = { state: new Map(), segments: new Map(), dead: new Map(), parked: new Map(), outbox: new Map() };
    this.stored = { owner: '1:n', number: 0, record: encodeRecord(record), ...none };
    this.actor = this.#start();
  }

  get atEnd(): boolean {
    return this.#next > this.stream.length;
  }

  record(): PartitionRecord {
    const decoded = decodeRecord(this.stored.record);
    if (decoded.kind !== 'record') throw new Error(`stored a record that is ${decoded.kind}`);
    return decoded.record;
  }

  /** Reads the next event: offers it, or only passes it if it belongs to another partition. */
  deliver(): void {
    const { own, raw, decoded } = this.stream[this.#next++ - 1]!;
    if (own) this.actor.offer(raw, decoded);
    else this.actor.passed(raw.streamTime);
    this.actor.routed({ sequence: raw.streamSequence, time: String(raw.streamTime * 1e6) });
    this.#observe();
  }

  /** Answers the outstanding load at this place of the list. */
  answer(index: number): void {
    this.#observe();
    const [key] = this.wanted.splice(index % this.wanted.length, 1);
    if (key === undefined) return;
    this.loads++;
    this.actor.loaded(key, this.stored.state.get(key));
    this.#observe();
  }

  answerAll(): void {
    for (this.#observe(); this.wanted.length > 0; ) this.answer(0);
  }

  prepare(): void {
    this.pending ??= this.actor.prepare(0);
  }

  /** The store applies the prepared commit, and the actor learns it. */
  confirm(published = true): void {
    if (this.pending === undefined) return;
    this.#commit(this.pending);
    this.pending = undefined;
    const due = this.actor.confirm();
    this.#publish(due);
    this.#unnoticed.push(...due.map(([id]) => id));
    if (published) this.actor.published(this.#unnoticed.splice(0));
  }

  /** The process dies: with `landed`, after the store has applied a prepared commit whose reply is lost. */
  crash(landed: boolean, backCommits = 0): void {
    if (landed && this.pending !== undefined) this.#commit(this.pending);
    if (backCommits > 0) this.stored = this.#history[Math.max(0, this.#history.length - backCommits)] ?? this.stored;
    this.#history.length = 0;
    this.pending = undefined;
    this.crashes++;
    this.stored = { ...this.stored, owner: `${++this.#epoch}:n` };
    this.actor = this.#start();
    this.#next = this.record().position.floor + 1;
    const left = [...this.stored.outbox];
    this.#publish(left);
    this.#unnoticed = left.map(([id]) => id);
  }

  /** Reads to the end, lets the stream fall quiet, and stores everything. */
  finish(): Outcome {
    for (; !this.atEnd; this.answerAll()) this.deliver();
    this.answerAll();
    this.actor.passed((this.stream[this.stream.length - 1]?.raw.streamTime ?? 0) + 2e9);
    this.answerAll();
    this.skipQuarantined();
    this.confirm();
    for (let i = 0; i < 2; i++) {
      this.prepare();
      this.confirm();
    }
    check(!this.actor.isDirty && this.actor.buffered === this.actor.parked, 'something is left');
    check(this.stored.outbox.size === 0, 'an output is left in the outbox');
    check(this.record().position.floor === this.stream.length, `the floor is ${this.record().position.floor}`);
    return this.outcome();
  }

  /** The operator gives up the event that each quarantined key waits for, until none waits. */
  skipQuarantined(): void {
    for (let left = this.actor.quarantined(); left.length > 0; left = this.actor.quarantined()) {
      check(left.length <= this.stream.length, 'a quarantine does not end');
      for (const { key } of left) {
        const outcome = this.actor.operate(key, { kind: 'skip' });
        check(outcome === 'done' || outcome === 'quarantined', `skip of ${key} was ${outcome}`);
      }
    }
  }

  outcome(): Outcome {
    const states: Outcome['states'] = {};
    for (const [key, text] of this.stored.state) {
      const { state, time, id, sequence, applied } = readEnvelope(text)!;
      if (applied === 0) continue; // only its numbering is stored
      const log = [...(state as Log)];
      check(applied === log.length && Number(sequence) === log[log.length - 1], `the envelope of ${key} is ${text}`);
      states[key] = { log, time, id };
    }
    const dead: Outcome['dead'] = {};
    for (const [sequence, text] of this.stored.dead) dead[sequence] = (JSON.parse(text) as DeadLetter).code;
    return { states, dead, counters: { ...this.record().counters }, outputs: Object.fromEntries(this.outputs) };
  }

  #start(): Actor {
    this.wanted = [];
    this.#watermark = Number.NEGATIVE_INFINITY;
    this.#floor = 0;
    const { owner, number, segments, outbox, state } = this.stored;
    const record = this.record();
    check(record.deadStored === this.stored.dead.size, 'deadStored is not what is stored');
    return new Actor(this.options, this.#handler, {
      owner,
      number,
      record,
      segments: [...segments].map(([n, bytes]) => ({ number: n, bytes })),
      outboxStored: outbox.size,
      ...this.#parked(),
      empty: state.size === 0,
    });
  }

  /** Stored parked events, decoded again as the stream's own. */
  #parked(): Pick<ActorStart, 'quarantines' | 'parked'> {
    const stored = readParked([...this.stored.parked]);
    if (stored === undefined) throw new Error('what is parked cannot be read');
    const parked = [...stored.events.keys()].map((sequence) => this.stream[sequence - 1]!);
    return { quarantines: stored.quarantines, parked };
  }

  /** W1 and P2: within an incarnation, watermark and floor never go back. */
  #observe(): void {
    this.wanted.push(...this.actor.takeWanted());
    check(this.actor.watermark >= this.#watermark, 'W1: the watermark went back');
    check(this.actor.floor >= this.#floor, 'P2: the floor went back');
    this.#watermark = this.actor.watermark;
    this.#floor = this.actor.floor;
  }

  #commit(commit: Commit): void {
    const { owner, number, state, segments, dead, parked, outbox } = this.stored;
    const verdict = judgeCommit({ owner, number }, commit.owner, commit.number);
    check(verdict === 'accept', `the commit was ${verdict}`);
    this.#history.push(this.stored);
    const puts = commit.dedupePut.map(({ number: n, bytes }) => [n, bytes] as const);
    const nextSegments = new Map([...segments, ...puts]);
    for (const n of commit.dedupeDrop) check(nextSegments.delete(n), `drops segment ${n}, which is not stored`);
    this.stored = {
      owner,
      number: commit.number,
      record: commit.record,
      state: changed(state, commit.state),
      segments: nextSegments,
      dead: changed(dead, commit.dead),
      parked: changed(parked, commit.parked, false),
      outbox: changed(outbox, commit.outbox),
    };
    this.#checkCut();
  }

  /** I8: the same output id always carries the same bytes. */
  #publish(outputs: readonly (readonly [string, string])[]): void {
    for (const [id, text] of outputs) {
      check((this.outputs.get(id) ?? text) === text, `I8: output ${id} changed`);
      this.outputs.set(id, text);
    }
  }

  #checkCut(): void {
    const { position, counters } = this.record();
    const decided = this.stream.filter(({ own, raw }) => own && isDecided(position, raw.streamSequence)).length;
    let dead = 0;
    for (const [, count] of Object.entries(counters.dead)) dead += count;
    const lost = this.options.late === 'drop' ? counters.late : 0;
    const parked = [...this.stored.parked.keys()].filter((field) => !field.startsWith('key:')).length;
    check(
      decided === counters.applied + counters.duplicates + dead + lost + parked,
      `A3: ${decided} decided, counters ${JSON.stringify(counters)}`,
    );
    check(dead === this.stored.dead.size, 'A3: dead letters and their counters differ');
    let applied = 0;
    for (const text of this.stored.state.values()) {
      const log = readEnvelope(text)!.state as Log | null;
      if (log === null) continue; // only its numbering is stored
      if (!Array.isArray(log)) return; // another handler's state: nothing to count in
      applied += log.length;
      for (const sequence of log) check(isDecided(position, sequence), `A3: ${sequence} is applied but undecided`);
    }
    check(applied === counters.applied, 'A3: states and counters differ');
  }
}
