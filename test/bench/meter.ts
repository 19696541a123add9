/** What a reader takes: time between the first event and the last, CPU time of everybody who takes part, memory. */
import { readFileSync } from 'node:fs';

/** CPU time per event in µs; undefined where the system does not tell. */
export interface CpuPerEvent {
  readonly process: number;
  readonly mainThread: number | undefined;
  readonly nats: number | undefined;
  readonly redis: number | undefined;
  /** The server of a peer that has one of its own. */
  readonly peer: number | undefined;
}

export interface Measurement {
  /** Name of the case. */
  readonly mode: string;
  readonly messages: number;
  readonly seconds: number;
  readonly cpu: CpuPerEvent;
  readonly peakRssMiB: number;
}

type Processes = { readonly nats: number; readonly redis: number; readonly peer?: number };

interface Sample {
  readonly ms: number;
  readonly process: number;
  readonly mainThread: number | undefined;
  readonly nats: number | undefined;
  readonly redis: number | undefined;
  readonly peer: number | undefined;
}

export class Meter {
  readonly #pids: Processes;
  #start: Sample | undefined;
  #lastMs = 0;

  /** The ids of the server processes. */
  constructor(pids: Processes) {
    this.#pids = pids;
  }

  /** No event was read yet. Called again, it moves the start. */
  start(): void {
    this.#start = this.#sample();
  }

  /** The last event is applied. */
  last(): void {
    this.#lastMs = performance.now();
  }

  /** Everything is stored. */
  result(mode: string, messages: number): Measurement {
    const start = this.#start!;
    const end = this.#sample();
    const perEvent = (from: number | undefined, to: number | undefined): number | undefined =>
      from === undefined || to === undefined ? undefined : (to - from) / messages;
    const cpu = {
      process: perEvent(start.process, end.process)!,
      mainThread: perEvent(start.mainThread, end.mainThread),
      nats: perEvent(start.nats, end.nats),
      redis: perEvent(start.redis, end.redis),
      peer: perEvent(start.peer, end.peer),
    };
    const peakRssMiB = Math.round(process.resourceUsage().maxRSS / 1024);
    return { mode, messages, seconds: (this.#lastMs - start.ms) / 1000, cpu, peakRssMiB };
  }

  #sample(): Sample {
    const { user, system } = process.cpuUsage();
    return {
      ms: performance.now(),
      process: user + system,
      mainThread: threadMicros(),
      nats: cpuMicros(`/proc/${this.#pids.nats}/stat`),
      redis: cpuMicros(`/proc/${this.#pids.redis}/stat`),
      peer: this.#pids.peer === undefined ? undefined : cpuMicros(`/proc/${this.#pids.peer}/stat`),
    };
  }
}

/** CPU time of this process's main thread, µs; undefined where the system does not tell. */
export function threadMicros(): number | undefined {
  return cpuMicros(`/proc/self/task/${process.pid}/stat`);
}

/** Linux counts in ticks of 10 ms. */
const TICK_MICROS = 10_000;

/** User and system time of a process or thread. Source: proc(5), fields 14 and 15. */
function cpuMicros(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  } catch {
    return undefined;
  }
}
