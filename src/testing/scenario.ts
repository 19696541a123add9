/**
 * A test in three words: given events, when this goes wrong, then the states are these.
 *
 * Steps are noted and done in their order when the scenario is awaited. What goes wrong is drawn from the seed, so a test
 * that fails fails again.
 */

/** An event as a test writes it; id and time are given to those without. */
export interface TestEvent {
  readonly key: string;
  readonly id?: string;
  /** Epoch ms; one millisecond after the event before by default. */
  readonly time?: number;
  readonly type?: string;
  readonly sequence?: number;
  readonly data?: unknown;
}

/** What may go wrong. */
export type Fault =
  /** The node is killed while the events before are on their way, and a new one starts. */
  | 'crash'
  /** A thread of the node dies. */
  | 'thread-crash'
  /** A second node takes over while the first stands still; then the first goes on as if nothing had happened. */
  | 'zombie'
  /** The store forgets its newest commits, as a Redis does that falls back to an older file. */
  | 'store-rollback'
  /** So many of the events before come twice, 0 to 1. */
  | { readonly duplicates: number }
  /** The events before come out of order, each up to so many places later. */
  | { readonly disorder: number };

/** What a scenario's last step looks at. */
export interface Outcome {
  /** State of a key, undefined if none of its events was applied. */
  state(key: string): Promise<unknown>;
  /** State of every key. */
  states(): Promise<Record<string, unknown>>;
  /** Events that were set aside, with the reason. */
  deadLetters(): Promise<
    readonly {
      readonly key: string | null;
      readonly id: string | null;
      readonly code: string;
      readonly problems: readonly string[];
    }[]
  >;
  /** What handlers emitted, in the order of the stream, each once. */
  outputs(): Promise<readonly { readonly subject: string; readonly data: unknown }[]>;
}

export interface ScenarioWorld {
  /** Publishes, in this order. */
  publish(events: readonly Required<Pick<TestEvent, 'key' | 'id' | 'time'>>[]): Promise<void>;
  fault(fault: 'crash' | 'thread-crash' | 'zombie' | 'store-rollback'): Promise<void>;
  /** Runs until everything is decided and stored. */
  settle(): Promise<Outcome>;
  /** 0 (included) to 1 (excluded), by the seed. */
  random(): number;
  /** Number of the next event of the test. */
  next(): number;
  /** Wall clock, epoch ms. */
  now(): number;
}

type Named = Required<Pick<TestEvent, 'key' | 'id' | 'time'>> & TestEvent;

/** A scenario; awaiting it does its steps, and `then` gets the outcome. */
export class Scenario implements PromiseLike<Outcome> {
  readonly #world: ScenarioWorld;
  readonly #steps: (() => Promise<void>)[] = [];
  #pending: Named[] = [];
  #done: Promise<Outcome> | undefined;

  constructor(world: ScenarioWorld) {
    this.#world = world;
  }

  /** Events in the order in which they are published; ids and times are given to those without. */
  given(...events: readonly TestEvent[]): this {
    this.#steps.push(async () => {
      for (const event of events) {
        const number = this.#world.next();
        this.#pending.push({ id: `e${number}`, time: this.#world.now() + number, ...event });
      }
    });
    return this;
  }

  /** Something goes wrong with the events given before. */
  when(fault: Fault): this {
    this.#steps.push(async () => {
      if (typeof fault === 'string') return this.#strike(fault);
      if ('duplicates' in fault)
        this.#pending = this.#pending.flatMap((one) => (this.#world.random() < fault.duplicates ? [one, one] : [one]));
      else this.#shuffle(fault.disorder);
    });
    return this;
  }

  // biome-ignore lint/suspicious/noThenProperty: a scenario is done by awaiting it, so that its last step reads as what it is
  then<A = Outcome, B = never>(
    fulfilled?: ((outcome: Outcome) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#done ??= this.#run();
    return this.#done.then(fulfilled, rejected);
  }

  async #run(): Promise<Outcome> {
    for (const step of this.#steps) await step();
    await this.#publish(this.#pending.length);
    return this.#world.settle();
  }

  /** A part of the events is on its way when it happens. */
  async #strike(fault: Extract<Fault, string>): Promise<void> {
    await this.#publish(Math.floor(this.#world.random() * (this.#pending.length + 1)));
    await this.#world.fault(fault);
  }

  async #publish(count: number): Promise<void> {
    await this.#world.publish(this.#pending.splice(0, count));
  }

  #shuffle(places: number): void {
    const moved = this.#pending.map((event, at) => ({ event, at: at + this.#world.random() * places }));
    this.#pending = moved.sort((a, b) => a.at - b.at).map(({ event }) => event);
  }
}
