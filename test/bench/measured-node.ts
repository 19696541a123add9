/** A node in a process of its own, and what it has done so far. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { OptionsInput } from '../../src/options/types.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import { NodeProcess } from '../support/node-process.js';

export interface Totals {
  readonly at: number;
  readonly applied: number;
  readonly late: number;
  readonly commits: number;
  /** Rows of states written. */
  readonly rows: number;
  readonly read: number;
  readonly inFlightBytes: number;
}

const POLL_MS = 20;
/** Linux counts in ticks of 10 ms. */
const TICK_MS = 10;

export class MeasuredNode {
  readonly #process: NodeProcess;

  constructor(options: OptionsInput) {
    this.#process = new NodeProcess(options);
  }

  async ready(): Promise<this> {
    await this.#process.ready();
    return this;
  }

  async totals(): Promise<Totals> {
    return totalsOf(await this.#process.status());
  }

  /** Polls until the totals are as wanted. */
  async until(isWanted: (totals: Totals) => boolean, deadlineMs = 120_000): Promise<Totals> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const totals = await this.totals();
      if (isWanted(totals)) return totals;
      if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${JSON.stringify(totals)}`);
      await delay(POLL_MS);
    }
  }

  /** Most memory that the process has had, MiB; undefined where the system does not tell. */
  peakRssMiB(): number | undefined {
    try {
      const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
      return Math.round(Number(/VmHWM:\s*(\d+)/.exec(status)![1]) / 1024);
    } catch {
      return undefined;
    }
  }

  /** CPU time of the process, all threads, ms; undefined where the system does not tell. Source: proc(5). */
  cpuMs(): number | undefined {
    try {
      const text = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    } catch {
      return undefined;
    }
  }

  /** SIGSTOP and SIGCONT, which it does not notice but by the time. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.#process.pid, signal);
  }

  drain(): Promise<void> {
    return this.#process.drain();
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}

function totalsOf({ partitions, threads, eventsRead, inFlightBytes }: NodeStatus): Totals {
  const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
    items.reduce((total, item) => total + of(item), 0);
  return {
    at: performance.now(),
    applied: sum(partitions, ({ report }) => report?.counters.applied ?? 0),
    late: sum(partitions, ({ report }) => report?.counters.late ?? 0),
    commits: sum(threads, ({ commits }) => commits),
    rows: sum(threads, ({ commitKeys }) => commitKeys),
    read: eventsRead,
    inFlightBytes,
  };
}
