/**
 * The partitions of a stream that are routed: to which lane, and how far. Holds one number and one reference for each,
 * since every event asks for them.
 *
 * Invariants
 * X1. A partition gets its events in stream order, each once per incarnation, from its floor on.
 */
import type { Anchor } from '../core/checkpoint/record.js';
import type { Position } from '../core/position/position-window.js';
import type { Lane } from './lane.js';

/** Where a partition starts; see `run` in protocol/messages.ts. */
export interface PartitionStart {
  readonly partition: number;
  readonly slot: number;
  readonly epoch: number;
  readonly position: Position;
  readonly anchor: Anchor;
  readonly gap: readonly number[];
}

export class RoutedPartitions {
  /** Lane of each running partition. */
  readonly #laneOf: (Lane | undefined)[];
  /** Highest sequence routed to each running partition. */
  readonly #high: Float64Array;

  constructor(partitions: number) {
    this.#laneOf = new Array<Lane | undefined>(partitions).fill(undefined);
    this.#high = new Float64Array(partitions);
  }

  /** From now on events above `floor` go to the lane. */
  start(partition: number, lane: Lane, floor: number): void {
    this.#laneOf[partition] = lane;
    this.#high[partition] = floor;
  }

  stop(partition: number): void {
    this.#laneOf[partition] = undefined;
  }

  /** The lane is gone, and with it the hosts of its partitions. */
  stopLane(lane: Lane): void {
    for (let p = 0; p < this.#laneOf.length; p++) if (this.#laneOf[p] === lane) this.#laneOf[p] = undefined;
  }

  laneOf(partition: number): Lane | undefined {
    return this.#laneOf[partition];
  }

  /** X1. The lane that is to get the event now; undefined where nobody is, or has had it. */
  takes(partition: number, sequence: number): Lane | undefined {
    const lane = this.#laneOf[partition];
    if (lane === undefined || sequence <= this.#high[partition]!) return undefined;
    this.#high[partition] = sequence;
    return lane;
  }

  /** Everything up to `last` was read: a quiet partition needs none of it again, also where it is gone now. */
  passAll(last: number): void {
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! < last) this.#high[p] = last;
  }

  /** The lowest sequence that a partition still needs, Infinity if none runs. */
  get first(): number {
    let first = Number.POSITIVE_INFINITY;
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! + 1 < first) first = this.#high[p]! + 1;
    return first;
  }

  get isEmpty(): boolean {
    return this.#laneOf.every((lane) => lane === undefined);
  }

  /** Those that have not come as far as `sequence`. */
  before(sequence: number): readonly number[] {
    const partitions: number[] = [];
    for (let p = 0; p < this.#laneOf.length; p++)
      if (this.#laneOf[p] !== undefined && this.#high[p]! < sequence) partitions.push(p);
    return partitions;
  }

  /** Whether one of them has come as far as `sequence`. */
  hasPassed(sequence: number): boolean {
    return this.#laneOf.some((lane, p) => lane !== undefined && this.#high[p]! >= sequence);
  }
}
