/** A monotonic time by which a piece of work is to be over, step by step. */
import type { Clock } from '../ports/clock.js';

export class Deadline {
  readonly #clock: Clock;
  readonly #at: number;
  readonly #missed: () => void;

  /** `missed` is called for each step that the deadline cuts off. */
  constructor(clock: Clock, ms: number, missed: () => void) {
    this.#clock = clock;
    this.#at = clock.elapsed() + ms;
    this.#missed = missed;
  }

  /** Settles with the work, or at the deadline; the work itself goes on. */
  async wait(work: Promise<unknown>): Promise<void> {
    const clock = this.#clock;
    let cancel = (): void => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = clock.after(Math.max(0, this.#at - clock.elapsed()), () => resolve('late'));
    });
    const outcome = await Promise.race([work, late]);
    cancel(); // a timer that is left behind would hold up the end of the process
    if (outcome === 'late') this.#missed();
  }
}
