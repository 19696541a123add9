/**
 * When the streams are read on from an earlier place: once, when the last claim that is under way is through, or after a
 * moment. So many claims cost one rewind, and nobody waits long for a slow one.
 */
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import { retrying } from '../retrying.js';

export interface RewindsDependencies {
  readonly clock: Clock;
  readonly line: LogLine;
  readonly isAlive: () => boolean;
  readonly rewind: () => Promise<void>;
  /** The streams cannot be read on. */
  readonly failed: (error: unknown) => void;
  /** A rewind is over, whatever came of it. */
  readonly ended: () => void;
}

const REWIND_MS = 50;

export class Rewinds {
  readonly #deps: RewindsDependencies;
  readonly #claiming = new Set<number>();
  #cancel: (() => void) | undefined;

  constructor(deps: RewindsDependencies) {
    this.#deps = deps;
  }

  /** Whether no claim is under way. */
  get isIdle(): boolean {
    return this.#claiming.size === 0;
  }

  /** The claim of a partition is under way. */
  await(partition: number): void {
    this.#claiming.add(partition);
  }

  /** The partition runs, or stands still, or is gone. */
  settled(partition: number): void {
    if (!this.#claiming.delete(partition)) return;
    if (this.isIdle) this.start();
    else
      this.#cancel ??= this.#deps.clock.after(REWIND_MS, () => {
        if (this.#deps.isAlive()) this.start();
      });
  }

  /** No rewind is started by time any more. */
  stop(): void {
    this.#cancel?.();
  }

  /** Reads on now, with what is through. */
  start(): void {
    const { clock, line, isAlive, rewind, failed, ended } = this.#deps;
    this.#cancel?.();
    this.#cancel = undefined;
    void retrying(clock, line, 'log.read', isAlive, rewind).catch(failed).then(ended);
  }
}
