/**
 * Events that were read or checkpointed before, and that every later reading must find again under their numbers:
 * otherwise the stream went back meanwhile, and what was routed before is not what it holds now.
 */
import type { Anchor } from '../core/checkpoint/record.js';
import type { EventLog } from '../ports/event-log.js';
import { timeText } from '../ports/event-log.js';

/** `partition`: whose checkpoint names it; undefined for what was read. */
type Landmark = Anchor & { readonly partition: number | undefined };

export class Landmarks {
  readonly #isMissed: (sequence: number, partition: number | undefined) => boolean;
  /** By sequence, lowest first. */
  #ahead: Landmark[] = [];
  #isAsking = false;

  /** `isMissed`: whether anybody has had the event that was there. */
  constructor(isMissed: (sequence: number, partition: number | undefined) => boolean) {
    this.#isMissed = isMissed;
  }

  /** Lowest sequence that a reading has yet to pass, Infinity if there is none. */
  get first(): number {
    return this.#ahead[0]?.sequence ?? Number.POSITIVE_INFINITY;
  }

  /** An anchor without an event says nothing. */
  add({ sequence, time }: Anchor, partition?: number): void {
    if (sequence === 0) return;
    this.#ahead.push({ sequence, time, partition });
    this.#ahead.sort((a, b) => a.sequence - b.sequence);
  }

  /** A reading has come to this event. False if it is another one than somebody had; one that is gone is passed over. */
  passes(sequence: number, timeMs: number, timeNanos: number): boolean {
    const passed = this.#ahead.filter((anchor) => anchor.sequence <= sequence);
    this.#ahead = this.#ahead.slice(passed.length);
    const time = timeText(timeMs, timeNanos);
    const isSame = (one: Landmark): boolean => one.sequence < sequence || one.time === time;
    return passed.every((one) => isSame(one) || !this.#isMissed(one.sequence, one.partition));
  }

  /**
   * Asked where a reading ends before it comes to one, `next` being what it would read: the sequence of an event that
   * the stream has lost, or undefined. One that retention has removed proves nothing and is passed over.
   */
  async lost(log: EventLog, stream: string, next: number): Promise<number | undefined> {
    const [landmark] = this.#ahead;
    if (landmark === undefined || landmark.sequence < next || this.#isAsking) return undefined;
    const { sequence } = landmark;
    this.#isAsking = true;
    try {
      const time = await log.timeOf(stream, sequence);
      const { last } = await log.info(stream);
      const isLost = last < sequence || (time !== undefined && time !== landmark.time);
      if (isLost && this.#isMissed(sequence, landmark.partition)) return sequence;
      if (isLost || time === undefined) this.#ahead = this.#ahead.filter((anchor) => anchor !== landmark);
    } catch {
      // The log is away: it is asked again when it says once more that its end is reached.
    } finally {
      this.#isAsking = false;
    }
    return undefined;
  }

  clear(): void {
    this.#ahead = [];
  }
}
