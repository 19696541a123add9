/**
 * Virtual time: a queue of tasks, run one by one in the order of their moments. Nothing here waits for a real clock.
 *
 * Invariants
 * V1. Tasks of the same moment run in the order in which they were planned; nothing else decides.
 * V2. A task whose life is over is never run; one whose life is paused runs when the pause ends, order kept.
 * V3. Between two tasks every promise reaction has run, as between two turns of a real event loop.
 */

/** Whatever can die or stand still: a process, a thread. */
export interface Life {
  readonly isAlive: boolean;
  /** Virtual ms until which it stands still; 0 for never. Never made earlier: what was put off would be overtaken. */
  readonly pausedUntil: number;
}

/** The world outside of every process: it never dies. */
export const OUTSIDE: Life = { isAlive: true, pausedUntil: 0 };

interface Task {
  at: number;
  order: number;
  readonly life: Life;
  run: (() => void) | undefined;
}

const isBefore = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class VirtualTime {
  /** Virtual ms since the start. */
  now = 0;
  /** Tasks run. */
  steps = 0;
  #order = 0;
  readonly #heap: Task[] = [];

  /** Plans `run` for `ms` from now; the answer cancels. */
  after(ms: number, life: Life, run: () => void): () => void {
    const task: Task = { at: this.now + ms, order: this.#order++, life, run };
    this.#push(task);
    return () => {
      task.run = undefined;
    };
  }

  /** Plans `run` for the moment `at`, or for now if that is past. */
  at(at: number, life: Life, run: () => void): void {
    this.#push({ at: Math.max(at, this.now), order: this.#order++, life, run });
  }

  /** Runs the next task; false if there is none. */
  step(): boolean {
    for (let task = this.#pop(); task !== undefined; task = this.#pop()) {
      const { life, run } = task;
      if (run === undefined || !life.isAlive) continue;
      if (life.pausedUntil > task.at) {
        task.at = life.pausedUntil;
        task.order = this.#order++;
        this.#push(task);
        continue;
      }
      this.now = task.at;
      this.steps++;
      run();
      return true;
    }
    return false;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(task, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const moved = heap.pop();
    if (first === undefined || moved === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, moved)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
    return first;
  }
}

/**
 * What Node itself runs between two callbacks: all promise reactions, to the last. It is not documented, but it is
 * the only way to do that without a turn of the event loop, which costs 20 times as much; without it, turns it is.
 */
const drain = (process as { _tickCallback?: () => void })._tickCallback;

/** V3: calls `step` until it answers false. */
export function drive(step: () => boolean): Promise<void> {
  if (drain === undefined) return driveByTurns(step);
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        while (step()) drain();
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
}

async function driveByTurns(step: () => boolean): Promise<void> {
  do await new Promise((resolve) => void setImmediate(resolve));
  while (step());
}
