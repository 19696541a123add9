/**
 * What is between a process and the services: delays, refusals, lost requests, lost replies, late ones, cuts.
 *
 * Invariants
 * Y1. A request that has left takes effect whole or not at all, also when its sender is dead by then.
 * Y2. Requests of one connection arrive in the order in which they were sent, and so do their replies; only one that
 *     its sender has given up may still arrive later, over the old connection.
 * Y3. A caller that is dead never hears anything.
 */
import type { ErrorCode } from '../../src/errors.js';
import { MillraceError } from '../../src/errors.js';
import type { Life, VirtualTime } from '../../src/testing/virtual-time.js';
import { OUTSIDE } from '../../src/testing/virtual-time.js';
import type { Random } from '../support/random.js';
import type { Coverage } from './coverage.js';
import type { Mishap, Plan } from './plan.js';
import type { SimProcess } from './process.js';
import type { Effect, Trace } from './trace.js';

export type Service = 'store' | 'log' | 'coordinator';

const TIMEOUT_MS = 60;
const LATE_MS = 400;
const SLOW_FACTOR = 20;

const errors: Readonly<Record<Service, readonly ErrorCode[]>> = {
  store: ['REDIS_UNREACHABLE', 'COMMIT_TIMEOUT', 'REDIS_UNAVAILABLE'],
  log: ['NATS_UNREACHABLE'],
  coordinator: ['NATS_UNREACHABLE'],
};

/** A promise that nobody keeps: what a dead process waits for. */
const never = new Promise<never>(() => {});

export interface NetworkDependencies {
  readonly plan: Plan;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly trace: Trace;
  readonly coverage: Coverage;
  /** Called before each effect of a process. */
  readonly effect: () => void;
  /** The process has reached the effect that it was to die at. */
  readonly died: (process: SimProcess) => void;
}

export class Network {
  readonly #deps: NetworkDependencies;
  readonly downUntil: Record<Service, number> = { store: 0, log: 0, coordinator: 0 };
  slowUntil = 0;
  #healed = false;

  constructor(deps: NetworkDependencies) {
    this.#deps = deps;
  }

  /** From now on everything arrives. */
  heal(): void {
    this.#healed = true;
    this.slowUntil = 0;
    for (const service of ['store', 'log', 'coordinator'] as const) this.downUntil[service] = 0;
  }

  /** A delay of one way, at most `ms` on an ordinary day. */
  delay(ms: number): number {
    const { random, time } = this.#deps;
    const drawn = random.between(1, 16) * ms * 0.0625;
    return time.now < this.slowUntil ? drawn * SLOW_FACTOR : drawn;
  }

  /** Virtual moment from which the process reaches the service; now or earlier if it does. */
  reachableAt(process: SimProcess, service: Service): number {
    return Math.max(this.downUntil[service], process.cutUntil[service]);
  }

  /** An effect of a process is about to happen: false if it dies first. */
  leaves(process: SimProcess, life: Life, who: string, effect: Effect, what: string, a = 0, b = 0): boolean {
    if (!life.isAlive) return false;
    const { time, trace } = this.#deps;
    this.#deps.effect();
    if (process.effectsLeft-- <= 0) {
      this.#deps.died(process);
      return false;
    }
    trace.note(time.now, who, effect, what, a, b);
    return true;
  }

  connect(process: SimProcess, life: Life, who: string, service: Service, delayMs: number): Connection {
    return new Connection(this, this.#deps, process, life, who, service, delayMs);
  }

  mishap(kind: Mishap): boolean {
    const { plan, random, coverage } = this.#deps;
    if (this.#healed || plan.mishaps[kind] === 0 || !random.chance(plan.mishaps[kind])) return false;
    coverage.add(kind);
    return true;
  }
}

export class Connection {
  readonly #network: Network;
  readonly #deps: NetworkDependencies;
  readonly #process: SimProcess;
  readonly #life: Life;
  readonly #who: string;
  readonly #service: Service;
  readonly #delayMs: number;
  #arrival = 0;
  #reply = 0;

  constructor(
    network: Network,
    deps: NetworkDependencies,
    process: SimProcess,
    life: Life,
    who: string,
    service: Service,
    delayMs: number,
  ) {
    this.#network = network;
    this.#deps = deps;
    this.#process = process;
    this.#life = life;
    this.#who = who;
    this.#service = service;
    this.#delayMs = delayMs;
  }

  /** Sends a request; `run` is what the service does when it arrives. */
  ask<R>(what: string, a: number, b: number, run: () => Promise<R>): Promise<R> {
    const { time } = this.#deps;
    if (!this.#network.leaves(this.#process, this.#life, this.#who, 'ask', what, a, b)) return never;
    return new Promise<R>((resolve, reject) => {
      const fail = (afterMs: number): void => this.#fail(what, afterMs, reject);
      if (this.#isUnreachable()) {
        fail(this.#network.delay(TIMEOUT_MS));
        return;
      }
      if (this.#network.mishap('request-refused')) {
        fail(this.#network.delay(this.#delayMs) * 2);
        return;
      }
      if (this.#network.mishap('request-lost')) {
        fail(TIMEOUT_MS);
        return;
      }
      // The coordinator's writes are compare-and-set: one that comes late is refused, so it is as good as lost.
      if (this.#service !== 'coordinator' && this.#network.mishap('request-late')) {
        fail(TIMEOUT_MS);
        time.after(this.#network.delay(LATE_MS), OUTSIDE, () => {
          this.#serve(what, run).catch(() => undefined); // its sender has given it up
        });
        return;
      }
      this.#arrival = Math.max(this.#arrival, time.now + this.#network.delay(this.#delayMs));
      time.at(this.#arrival, OUTSIDE, () => {
        if (this.#isUnreachable()) fail(TIMEOUT_MS);
        else this.#reach(what, run, resolve, reject);
      });
    });
  }

  #reach<R>(what: string, run: () => Promise<R>, resolve: (value: R) => void, reject: (error: unknown) => void): void {
    const { time, trace } = this.#deps;
    const isReplyLost = this.#network.mishap('reply-lost');
    this.#serve(what, run).then(
      (value) => {
        this.#replies(() => {
          if (isReplyLost || this.#isUnreachable()) {
            this.#fail(what, TIMEOUT_MS, reject);
            return;
          }
          trace.note(time.now, this.#who, 'answer', what, 0, 0);
          resolve(value);
        });
      },
      (error: unknown) => this.#replies(() => reject(error)),
    );
  }

  #serve<R>(what: string, run: () => Promise<R>): Promise<R> {
    const { time, trace } = this.#deps;
    trace.note(time.now, this.#who, 'done', what, 0, 0);
    return run();
  }

  /** Y2, Y3. */
  #replies(hear: () => void): void {
    const { time } = this.#deps;
    this.#reply = Math.max(this.#reply, time.now + this.#network.delay(this.#delayMs));
    time.at(this.#reply, this.#life, hear);
  }

  #fail(what: string, afterMs: number, reject: (error: unknown) => void): void {
    const { time, trace, random } = this.#deps;
    const code = random.pick(errors[this.#service]);
    time.after(afterMs, this.#life, () => {
      trace.note(time.now, this.#who, 'fail', what, 0, 0);
      reject(new MillraceError(code, `${this.#service} ${what}: simulated`));
    });
  }

  #isUnreachable(): boolean {
    return this.#network.reachableAt(this.#process, this.#service) > this.#deps.time.now;
  }
}
