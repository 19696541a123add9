/**
 * Composition root of the test cluster: the real node, router, hosts and actors over memory, in virtual time. It needs no
 * server and no real second, and the same seed always runs the same way.
 */
import { MemoryCheckpointStore, type MemorySnapshot } from '../adapters/memory/memory-checkpoint-store.js';
import { MemoryCoordinator } from '../adapters/memory/memory-coordinator.js';
import { MemoryEventLog } from '../adapters/memory/memory-event-log.js';
import { readEnvelope } from '../core/actor/state-envelope.js';
import type { DeadLetter } from '../core/checkpoint/commit.js';
import { tokenOfKey } from '../core/key/key.js';
import { partitionOf } from '../core/key/partition.js';
import { MillraceError } from '../errors.js';
import type { DefinedActor, HandlerOptions } from '../handlers/define-actor.js';
import { Host } from '../host/host.js';
import { defaultOptions } from '../options/resolve.js';
import type { Options, OptionsInput } from '../options/types.js';
import { keyRoute } from '../runtime/key-route.js';
import { Node } from '../runtime/node.js';
import type { Outcome, ScenarioWorld, TestEvent } from '../testing/scenario.js';
import { Scenario } from '../testing/scenario.js';
import { SeededRandom } from '../testing/seeded-random.js';
import { EPOCH_MS, TestProcess, TestThreads } from '../testing/test-process.js';
import { drive, OUTSIDE, VirtualTime } from '../testing/virtual-time.js';
import { heartbeatMs } from './backend.js';
import { hostOptions } from './host-options.js';

export interface TestClusterOptions {
  // biome-ignore lint/suspicious/noExplicitAny: an actor of any state and data
  readonly actor: DefinedActor<any, any>;
  readonly handlerOptions?: HandlerOptions;
  /** Options as in the configuration file; those of servers mean nothing here. */
  readonly options?: OptionsInput;
  /** Decides what goes wrong and when; 1 by default. */
  readonly seed?: number;
}

/** A cluster in memory and virtual time. Every scenario goes on where the one before ended. */
export interface TestCluster {
  /** Begins a scenario with events; see `Scenario`. */
  given(...events: readonly TestEvent[]): Scenario;
  /** Begins a scenario with a fault. */
  when(...fault: Parameters<Scenario['when']>): Scenario;
}

const STREAM = 'EVENTS';
/** Longest that a scenario may take to settle, virtual ms. */
const SETTLE_MS_MAX = 120_000;
/** How long a zombie stands still, and how long events travel before a fault, at most, virtual ms. */
const PAUSE_MS = 3_000;
const TRAVEL_MS = 3_000;
const DRAIN_MS_MAX = 5_000;
const LOOK_MS = 100;
/** A quiet partition compares its record with the store's every ten intervals of checkpoints. */
const STORED_INTERVALS = 12;
const SNAPSHOTS_MAX = 10;

interface RunningNode {
  readonly process: TestProcess;
  readonly threads: TestThreads;
  readonly node: Node;
}

/**
 * A cluster for tests of an actor: the engine that runs in production, over memory. Throws `OPTIONS_INVALID` and
 * `HANDLER_INVALID`.
 */
export function createTestCluster(options: TestClusterOptions): TestCluster {
  const world = new World(options);
  return {
    given: (...events) => new Scenario(world).given(...events),
    when: (fault) => new Scenario(world).when(fault),
  };
}

class World implements ScenarioWorld {
  readonly #options: Options;
  readonly #actor: DefinedActor;
  readonly #handlerOptions: HandlerOptions;
  readonly #time = new VirtualTime();
  readonly #store = new MemoryCheckpointStore();
  readonly #claims = new MemoryCoordinator({ node: 'test' });
  readonly #log: MemoryEventLog;
  readonly #outputs = new Map<string, { readonly subject: string; readonly data: unknown }>();
  #snapshots: MemorySnapshot[] = [];
  #current: RunningNode | undefined;
  readonly #random: SeededRandom;
  #events = 0;
  #claimsMade = 0;
  #last = 0;

  constructor({ actor, handlerOptions = {}, options = {}, seed = 1 }: TestClusterOptions) {
    this.#options = defaultOptions({ partitions: 4, threads: 2, ...options });
    this.#actor = actor;
    this.#handlerOptions = handlerOptions;
    this.#actor.create(handlerOptions); // what is wrong with it is the test's own mistake, and said at once
    this.#random = new SeededRandom(seed);
    this.#log = new MemoryEventLog({ clock: new TestProcess(this.#time).clock(OUTSIDE) });
    this.#log.createStream(STREAM, (subject) => subject.startsWith('events.'));
  }

  random(): number {
    return this.#random.next();
  }

  next(): number {
    return ++this.#events;
  }

  now(): number {
    return EPOCH_MS + Math.floor(this.#time.now);
  }

  async publish(events: readonly TestEvent[]): Promise<void> {
    this.#current ??= this.#startNode();
    for (const { key, ...event } of events) {
      const body = new TextEncoder().encode(JSON.stringify(event));
      // An id of its own for each message, or the log itself would drop the repeats that a test is about.
      const message = { subject: `events.${tokenOfKey(key)}`, id: `m${this.#time.steps}-${++this.#last}`, body };
      await this.#log.append(message);
    }
  }

  async fault(fault: 'crash' | 'thread-crash' | 'zombie' | 'store-rollback'): Promise<void> {
    this.#current ??= this.#startNode();
    await this.#run(this.random() * TRAVEL_MS);
    const { process, threads } = this.#current;
    switch (fault) {
      case 'thread-crash':
        threads.crash(Math.floor(this.random() * this.#options.threads));
        return;
      case 'store-rollback':
        this.#store.rollback(
          this.#snapshots[Math.floor(this.random() * this.#snapshots.length)] ?? this.#store.snapshot(),
        );
        return;
      case 'zombie':
        process.pausedUntil = this.#time.now + PAUSE_MS;
        break;
      case 'crash':
        process.isAlive = false;
        break;
    }
    this.#current = this.#startNode();
  }

  async settle(): Promise<Outcome> {
    this.#current ??= this.#startNode();
    const { last } = await this.#log.info(STREAM);
    const until = this.#time.now + SETTLE_MS_MAX;
    for (;;) {
      if (this.#time.now >= until)
        throw new MillraceError('NOT_REFLECTED', `not everything is decided: ${this.#told()}`);
      await this.#run(LOOK_MS);
      if (!this.#isDecided(last)) continue;
      // Time to be stored, and for a quiet partition to notice that its store went back; then it has to be so still.
      const before = this.#told();
      await this.#run(this.#options.checkpoint.intervalMs * STORED_INTERVALS);
      if (this.#isDecided(last) && this.#told() === before) break;
    }
    return {
      state: (key) => this.#stateOf(key),
      states: () => this.#states(),
      deadLetters: () => this.#deadLetters(),
      outputs: async () => [...this.#outputs.values()],
    };
  }

  #isDecided(last: number): boolean {
    const { phase, partitions } = this.#current!.node.status();
    return (
      phase === 'running' &&
      partitions.every(({ phase: own, report }) => {
        if (own === 'halted') return true;
        return own === 'running' && report !== undefined && report.high >= last && report.buffered === report.parked;
      })
    );
  }

  /** How the partitions stand, for comparing and for messages. */
  #told(): string {
    const { partitions } = this.#current!.node.status();
    return JSON.stringify(partitions.map(({ partition, phase, epoch, fault }) => ({ partition, phase, epoch, fault })));
  }

  #startNode(): RunningNode {
    const time = this.#time;
    const process = new TestProcess(time);
    const clock = process.clock(process);
    const options = this.#options;
    const deliver = (task: () => void): void => void time.after(0, process, task);
    const log = this.#log.as({ clock, deliver, heartbeatMs: heartbeatMs(options), duplicateWindowMs: 0 });
    const sink = {
      append: async ({ id, subject, body }: { id: string; subject: string; body: Uint8Array }) => {
        const isNew = !this.#outputs.has(id);
        if (isNew) this.#outputs.set(id, { subject, data: JSON.parse(new TextDecoder().decode(body)) as unknown });
        return { stream: 'OUTPUTS', sequence: this.#outputs.size, duplicate: !isNew };
      },
    };
    const chains = [[{ stream: STREAM, base: 0 }]];
    const threads = new TestThreads(time, process, (slot, thread, say) => {
      return new Host(hostOptions(options, chains, slot), {
        store: this.#store,
        handler: this.#actor.create(this.#handlerOptions),
        clock: process.clock(thread),
        log: () => undefined,
        post: say,
        defer: (callback) => void time.after(0, thread, callback),
        nonce: () => (++this.#claimsMade).toString(16).padStart(32, '0'),
        heapBytes: () => 0,
      });
    });
    const { partitions } = options;
    const node = new Node(
      {
        name: 'test',
        chains,
        partitions,
        threads: options.threads,
        acceptGap: options.acceptGap,
        inFlightBytesMax: options.limits.inFlightBytes,
        drainMsMax: DRAIN_MS_MAX,
      },
      {
        log,
        sink,
        coordinator: this.#claims,
        threads,
        clock,
        routes: [keyRoute({ key: options.event.format.key, partition: { kind: 'key' }, partitions })],
        line: () => undefined,
        defer: (callback) => void time.after(0, process, callback),
      },
    );
    node.start().catch(() => undefined); // `settle` says what every partition halted for
    return { process, threads, node };
  }

  /** Lets virtual time pass. */
  async #run(ms: number): Promise<void> {
    let isOver = false;
    this.#time.after(ms, OUTSIDE, () => {
      isOver = true;
    });
    await drive(() => !isOver && this.#time.step());
    this.#snapshots = [...this.#snapshots, this.#store.snapshot()].slice(-SNAPSHOTS_MAX);
  }

  async #stateOf(key: string): Promise<unknown> {
    const [text] = await this.#store.loadStates(partitionOf(key, this.#options.partitions), [key]);
    return text === undefined ? undefined : readEnvelope(text)?.state;
  }

  async #states(): Promise<Record<string, unknown>> {
    const keys: string[] = [];
    for (let partition = 0; partition < this.#options.partitions; partition++)
      for await (const some of this.#store.stateKeys(partition)) keys.push(...some);
    return Object.fromEntries(await Promise.all(keys.sort().map(async (key) => [key, await this.#stateOf(key)])));
  }

  async #deadLetters(): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (let partition = 0; partition < this.#options.partitions; partition++)
      for (const text of await this.#store.deadLetters(partition, 0, Number.MAX_SAFE_INTEGER))
        letters.push(JSON.parse(text) as DeadLetter);
    return letters.sort((a, b) => a.sequence - b.sequence);
  }
}
