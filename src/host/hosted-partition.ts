/**
 * One incarnation of a partition on a host: its actor, its loads and its commits. Owns every await of the partition.
 *
 *   claimed → running → draining → over
 *                ↓ (no room)        ↑ (fenced, halted)
 *              full ────────────────┘
 *
 * Invariants
 * H1. Events count only while running: what was sent before `run` belongs to an earlier incarnation.
 * H2. A commit whose outcome is unknown is sent again unchanged until the store says what became of it.
 * H3. A refused commit ends the incarnation: memory is dropped, nothing is written any more.
 * H4. A store that went back is noticed also by a partition that has nothing to commit.
 */
import type { ActorOptions } from '../core/actor/actor.js';
import { Actor } from '../core/actor/actor.js';
import type { Handler } from '../core/actor/handler.js';
import type { StoredParked } from '../core/actor/parking.js';
import { readParked } from '../core/actor/parking.js';
import type { Commit } from '../core/checkpoint/commit.js';
import { epochOf } from '../core/checkpoint/guard.js';
import type { Anchor } from '../core/checkpoint/record.js';
import type { Position } from '../core/position/position-window.js';
import { withRange } from '../core/position/ranges.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import { faultOf } from '../protocol/fault.js';
import type { HostToMain, PartitionReport } from '../protocol/messages.js';
import { retrying } from '../retrying.js';
import type { Claimed } from './claim.js';
import type { DecodedRecord } from './event-decoder.js';

/** What all partitions of a host share. */
export interface HostedDependencies {
  readonly store: CheckpointStore;
  readonly handler: Handler;
  readonly clock: Clock;
  readonly options: ActorOptions;
  readonly post: (message: HostToMain) => void;
  /** Decodes a stored parked event again. */
  readonly decodeParked: (sequence: number, stored: StoredParked) => DecodedRecord;
  readonly log: LogLine;
  /** A commit was stored: its duration in ms and how many keys it had. */
  readonly committed: (ms: number, keys: number) => void;
  /** Loads or commits have ended: a host that held back batches looks again. */
  readonly eased: () => void;
}

/** Most keys of one load call. */
const LOAD_KEYS_MAX = 1_000;

export class HostedPartition {
  readonly #deps: HostedDependencies;
  readonly #claimed: Claimed;
  #actor: Actor | undefined;
  #phase: 'claimed' | 'running' | 'full' | 'draining' | 'over' = 'claimed';
  /** The end was told to the main thread. */
  #reported = false;
  #saving: Promise<void> | undefined;
  #loading = 0;
  #savedAt: number;
  /** Monotonic time of the last prepared commit. */
  #preparedAt: number;
  /** Monotonic time at which the store was last asked to compare our record with its own. */
  #comparedAt: number;
  #isComparing = false;

  constructor(deps: HostedDependencies, claimed: Claimed) {
    this.#deps = deps;
    this.#claimed = claimed;
    this.#savedAt = claimed.record.savedAt;
    this.#preparedAt = deps.clock.elapsed();
    this.#comparedAt = this.#preparedAt;
  }

  get partition(): number {
    return this.#claimed.record.partition;
  }

  /** Epoch of the claim. */
  get epoch(): number {
    return epochOf(this.#claimed.owner);
  }

  get actor(): Actor | undefined {
    return this.#phase === 'running' ? this.#actor : undefined;
  }

  /** The actor for what an operator does: also while the partition has stopped because something is full. */
  get operable(): Actor | undefined {
    return this.#phase === 'running' || this.#phase === 'full' ? this.#actor : undefined;
  }

  get isFull(): boolean {
    return this.#phase === 'full';
  }

  /** Keys that are being loaded; many of them mean that batches should wait. */
  get loading(): number {
    return this.#loading;
  }

  get isSaving(): boolean {
    return this.#saving !== undefined;
  }

  get isOver(): boolean {
    return this.#phase === 'over';
  }

  run(position: Position, anchor: Anchor, gap: readonly number[]): void {
    if (this.#phase !== 'claimed') return;
    const { owner, partition, record } = this.#claimed;
    const parked = readParked(partition.parked);
    const [first, last] = gap;
    this.#actor = new Actor(this.#deps.options, this.#deps.handler, {
      owner,
      number: partition.stored.number,
      record: {
        ...record,
        position,
        anchor,
        gaps: first === undefined ? record.gaps : withRange(record.gaps, first, last!),
        // What was stored there is gone; the same numbers may now be other events'.
        due: first === undefined ? record.due : record.due.filter((one) => one < first || one > last!),
      },
      segments: partition.segments,
      outboxStored: partition.outbox.length,
      quarantines: parked?.quarantines ?? new Map(),
      parked: [...(parked?.events ?? [])].map(([sequence, stored]) => this.#deps.decodeParked(sequence, stored)),
      empty: partition.empty,
      isAmended: first !== undefined,
    });
    this.#phase = 'running';
    if (partition.outbox.length > 0)
      this.#deps.post({ kind: 'outputs', partition: this.partition, outputs: partition.outbox });
    if (parked === undefined) {
      const problem = `partition ${this.partition}: the parked events cannot be read`;
      void this.stop(new MillraceError('CORRUPT_CHECKPOINT', problem), false);
    }
    this.settle();
  }

  routed(anchor: Anchor, streamTime: number): void {
    const actor = this.actor;
    if (actor === undefined) return;
    actor.passed(streamTime);
    actor.routed(anchor);
  }

  /** After a batch: asks for states, and stops if the actor cannot go on. */
  settle(): void {
    const actor = this.actor;
    if (actor === undefined) return;
    this.checkHalt();
    const wanted = actor.takeWanted();
    for (let from = 0; from < wanted.length; from += LOAD_KEYS_MAX)
      void this.#load(actor, wanted.slice(from, from + LOAD_KEYS_MAX));
  }

  /** Whether a commit is due: enough time, or enough bytes. Positions alone are saved ten times less often. */
  isDue(intervalMs: number, bytesMax: number): boolean {
    const actor = this.actor;
    if (actor === undefined || this.#saving !== undefined) return false;
    const ageMs = this.#deps.clock.elapsed() - this.#preparedAt;
    if (actor.isDirty) return ageMs >= intervalMs || actor.commitBytes >= bytesMax;
    return actor.hasMoved && ageMs >= intervalMs * 10;
  }

  save(): void {
    if (this.#saving !== undefined || this.#actor === undefined || this.#phase === 'over') return;
    const actor = this.#actor;
    this.#preparedAt = this.#deps.clock.elapsed();
    this.#comparedAt = this.#preparedAt;
    const savedAt = this.#deps.clock.now();
    const commit = actor.prepare(savedAt);
    if (commit === undefined) {
      this.checkHalt();
      return;
    }
    this.#saving = this.#commit(actor, commit, savedAt).finally(() => {
      this.#saving = undefined;
      this.#deps.eased();
    });
  }

  /**
   * H4. Looks whether the record is still the one that we wrote last, if nothing was committed for `ms`: a commit would
   * notice that the store went back, but where nothing happens any more there is none.
   */
  compare(ms: number): void {
    const actor = this.actor;
    const now = this.#deps.clock.elapsed();
    if (actor === undefined || this.#saving !== undefined || now - this.#comparedAt < ms) return;
    // While the store is away one question is enough: it is asked until there is an answer.
    if (this.#isComparing) return;
    this.#comparedAt = now;
    this.#isComparing = true;
    void this.#compare(actor, actor.number).finally(() => {
      this.#isComparing = false;
    });
  }

  /** Settles when everything that was decided before this call is stored; false if the incarnation ended first. */
  async flush(): Promise<boolean> {
    while (this.#saving !== undefined) await this.#saving;
    this.save();
    while (this.#saving !== undefined) await this.#saving;
    return this.#phase !== 'over';
  }

  /**
   * Saves everything that is decided and lets go. Settles when that is stored, or the incarnation is over; then with
   * undefined, else with the number of applied events. What never ran is stored as it was claimed.
   */
  async drain(): Promise<number | undefined> {
    if (this.#phase === 'claimed') {
      this.#phase = 'over';
      return this.#claimed.record.counters.applied;
    }
    if (this.#phase === 'running' || this.#phase === 'full') this.#phase = 'draining';
    while (this.#phase === 'draining') {
      if (this.#saving !== undefined) await this.#saving;
      else if (this.#actor === undefined || !(this.#actor.isDirty || this.#actor.hasMoved)) break;
      else {
        this.save();
        if (this.#saving === undefined) break;
      }
    }
    const applied = this.#phase === 'draining' ? this.#actor?.counters.applied : undefined;
    this.#phase = 'over';
    return applied;
  }

  /** Ends the incarnation: saves what is decided if `save`, then reports `error`. */
  async stop(error: MillraceError, save: boolean): Promise<void> {
    if (this.#reported) return;
    if (save) await this.drain();
    this.#over(error);
  }

  /** An operator accepted that these sequences are gone. */
  skipped(first: number, last: number): void {
    this.actor?.skip(first, last);
  }

  published(ids: readonly string[]): void {
    this.actor?.published(ids);
  }

  checkHalt(): void {
    const halt = this.#actor?.halt;
    if (halt === undefined || this.#phase !== 'running') return;
    const error = new MillraceError(halt.code, `partition ${this.partition}: ${halt.problem}`);
    if (halt.code === 'CORRUPT_CHECKPOINT' || halt.code === 'STATE_INVALID') {
      void this.stop(error, false); // damaged or unwritable: must not be saved
      return;
    }
    // A sound state, and an operator can make room or decide: kept, saved, but nothing more is taken in.
    this.#phase = 'full';
    // Fenced meanwhile, it has said so, and there is nothing left that an operator could mend.
    void this.flush().then((isOurs) => {
      if (isOurs)
        this.#deps.post({ kind: 'stopped', partition: this.partition, epoch: this.epoch, fault: faultOf(error) });
    });
  }

  report(): PartitionReport | undefined {
    const actor = this.#actor;
    if (actor === undefined) return undefined;
    return {
      partition: this.partition,
      floor: actor.floor,
      high: actor.high,
      checkpoint: actor.number,
      savedAt: this.#savedAt,
      watermark: Number.isFinite(actor.watermark) ? actor.watermark : null,
      buffered: actor.buffered,
      parked: actor.parked,
      residentKeys: actor.residentKeys,
      dedupeIds: actor.dedupeIds,
      dedupeEvictedEarly: actor.dedupeEvictedEarly,
      forced: actor.forced,
      deadStored: actor.deadStored,
      counters: actor.counters,
      claimed: { epoch: this.epoch, counters: this.#claimed.record.counters },
    };
  }

  async #load(actor: Actor, keys: readonly string[]): Promise<void> {
    const { store, clock, log, eased } = this.#deps;
    this.#loading += keys.length;
    try {
      const isWanted = (): boolean => this.#phase === 'running';
      const states = await retrying(clock, log, 'state.load', isWanted, () => store.loadStates(this.partition, keys));
      if (states === undefined || this.#actor !== actor || this.#phase !== 'running') return;
      for (let i = 0; i < keys.length; i++) actor.loaded(keys[i]!, states[i]);
      this.settle();
    } catch (error) {
      this.#over(error);
    } finally {
      this.#loading -= keys.length;
      eased();
    }
  }

  async #compare(actor: Actor, number: number): Promise<void> {
    const { store, clock, log } = this.#deps;
    const isWanted = (): boolean => this.actor === actor && this.#saving === undefined && actor.number === number;
    try {
      const read = async () => ({ stored: await store.read(this.partition) });
      const found = await retrying(clock, log, 'checkpoint.compare', isWanted, read);
      if (found === undefined || !isWanted()) return; // a commit knows better
      if (found.stored?.owner === this.#claimed.owner && found.stored.number === number) return;
      throw new MillraceError(
        'FENCED',
        `partition ${this.partition}: checkpoint ${number} is no longer what is stored`,
      );
    } catch (error) {
      this.#over(error);
    }
  }

  /** H2, H3. */
  async #commit(actor: Actor, commit: Commit, savedAt: number): Promise<void> {
    const { store, clock, log, post, committed } = this.#deps;
    const startedAt = clock.elapsed();
    try {
      const isOurs = (): boolean => this.#phase !== 'over';
      const verdict = await retrying(clock, log, 'checkpoint.commit', isOurs, () => store.commit(commit));
      if (verdict === undefined) return;
      if (verdict === 'fenced') {
        log('warn', 'checkpoint.refused', { partition: this.partition, number: commit.number });
        throw new MillraceError('FENCED', `partition ${this.partition}: checkpoint ${commit.number} was refused`);
      }
      const outputs = actor.confirm();
      this.#savedAt = savedAt;
      committed(clock.elapsed() - startedAt, commit.state.set.length);
      if (outputs.length > 0) post({ kind: 'outputs', partition: this.partition, outputs });
    } catch (error) {
      this.#over(error);
    }
  }

  #over(error: unknown): void {
    this.#phase = 'over';
    this.#actor = undefined;
    if (this.#reported) return;
    this.#reported = true;
    this.#deps.post({ kind: 'stopped', partition: this.partition, epoch: this.epoch, fault: faultOf(error) });
  }
}
