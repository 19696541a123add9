/**
 * Keeps a thread in every slot. A thread that dies is replaced after a pause; one that keeps dying ends the node,
 * because a crash loop hides its cause and a restart of the process at least shows it. A thread that has fallen silent
 * spins or hangs, and holds its partitions for ever: it is ended, and replaced like one that died.
 */
import { MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import type { HostLink, Threads } from '../ports/threads.js';
import type { HostToMain } from '../protocol/messages.js';

export interface SlotEvents {
  /** The slot has a host that answers. */
  opened(slot: number, link: HostLink): void;
  received(slot: number, message: HostToMain): void;
  /** The slot's host is gone with everything it held. */
  lost(slot: number, error: Error): void;
  /** A slot cannot be kept alive. */
  gaveUp(error: MillraceError): void;
}

const START_MS_MAX = 30_000;
const CRASHES_MAX = 5;
const CRASH_WINDOW_MS = 60_000;
const RESTART_MS = 200;
/** A thread reports twice a second. Long, because a slow handler is no hung one. */
const SILENT_MS_MAX = 45_000;
/** Looks without a word in between, not a time: after a pause of the whole process nobody is to blame. */
const SILENT_LOOKS = 5;

/** Questions of `progress` that a thread may leave without a word in between. */
const SILENT_QUESTIONS = 4;

export class Supervisor {
  readonly #threads: Threads;
  readonly #clock: Clock;
  readonly #log: LogLine;
  readonly #events: SlotEvents;
  readonly #silentMs: number;
  readonly #links = new Map<number, HostLink>();
  readonly #crashes: number[] = [];
  /** How often `progress` was asked since each slot said something; a thread that starts has as long. */
  readonly #silent = new Map<number, number>();
  #reports = 0;
  #stopping = false;

  constructor(threads: Threads, clock: Clock, log: LogLine, events: SlotEvents, silentMs = SILENT_MS_MAX) {
    this.#threads = threads;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    this.#silentMs = silentMs;
  }

  get restarts(): number {
    return this.#crashes.length;
  }

  start(slot: number): void {
    // A thread that never says `started` would otherwise hang for ever: the pool does not time it.
    const cancelDeadline = this.#clock.after(START_MS_MAX, () => {
      this.#log('error', 'thread.start.timeout', { slot, ms: START_MS_MAX });
      void link.terminate();
    });
    let cancelWatch = (): void => undefined;
    let looks = 0;
    const watch = (): void => {
      cancelWatch = this.#clock.after(this.#silentMs / SILENT_LOOKS, () => {
        if (this.#stopping) return;
        if (++looks <= SILENT_LOOKS) watch();
        else {
          this.#log('error', 'thread.silent', { slot, ms: this.#silentMs });
          void link.terminate();
        }
      });
    };
    const link = this.#threads.start(slot, (message) => {
      looks = 0;
      this.#silent.set(slot, 0);
      this.#reports++;
      if (message.kind === 'started') {
        cancelDeadline();
        watch();
        this.#events.opened(slot, link);
      } else this.#events.received(slot, message);
    });
    this.#links.set(slot, link);
    this.#silent.set(slot, 0);
    void link.exited.then((error) => {
      cancelDeadline();
      cancelWatch();
      if (this.#links.get(slot) === link) this.#links.delete(slot);
      if (!this.#stopping) this.#replace(slot, error ?? new Error('the thread ended'));
    });
  }

  /**
   * Whether every thread makes progress: none has been silent over the last so many times that this was asked. Counts
   * questions, not time: after a pause of the whole process no thread is to blame. `reports`: how often threads spoke.
   */
  progress(): { readonly isWhole: boolean; readonly reports: number } {
    const isWhole = [...this.#silent.values()].every((questions) => questions <= SILENT_QUESTIONS);
    for (const [slot, questions] of this.#silent) this.#silent.set(slot, questions + 1);
    return { isWhole, reports: this.#reports };
  }

  /** Whether nothing is to be expected of the slot now: its thread is gone, or makes no progress. */
  isSilent(slot: number): boolean {
    return !this.#links.has(slot) || (this.#silent.get(slot) ?? 0) > SILENT_QUESTIONS;
  }

  /** Ends the thread of a slot at once; it is replaced. */
  async kill(slot: number): Promise<void> {
    await this.#links.get(slot)?.terminate();
  }

  /** Nothing is replaced from now on. */
  stop(): void {
    this.#stopping = true;
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await this.#threads.close();
  }

  get links(): Iterable<HostLink> {
    return this.#links.values();
  }

  #replace(slot: number, error: Error): void {
    this.#log('error', 'thread.lost', { slot, error: messageOf(error) });
    this.#events.lost(slot, error);
    if (error instanceof MillraceError && error.category === 'misuse') {
      this.#events.gaveUp(error); // a handler that cannot be loaded will not load the next time either
      return;
    }
    const now = this.#clock.elapsed();
    while (this.#crashes.length > 0 && now - this.#crashes[0]! > CRASH_WINDOW_MS) this.#crashes.shift();
    this.#crashes.push(now);
    if (this.#crashes.length > CRASHES_MAX) {
      const message = `threads died ${this.#crashes.length} times within ${CRASH_WINDOW_MS / 1000} s, last: ${messageOf(error)}`;
      this.#events.gaveUp(new MillraceError('THREAD_LOST', message, { cause: error }));
      return;
    }
    this.#clock.after(RESTART_MS * this.#crashes.length, () => {
      if (!this.#stopping) this.start(slot);
    });
  }
}
