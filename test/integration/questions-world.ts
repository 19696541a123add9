/** A node with its faces as a process, over real servers; its API and its Redis as an operator sees them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jetstream } from '@nats-io/jetstream';
import { partitionOf } from '../../src/core/key/partition.js';
import type { OptionsInput } from '../../src/options/types.js';
import { Cluster } from '../support/cluster.js';
import type { Journal } from '../support/journal-actor.js';
import { until } from '../support/until.js';
import { type CommandProcess, killCommands, start } from './cli-process.js';

export const PARTITIONS = 4;
const JOURNAL = fileURLToPath(new URL('../support/journal-actor.js', import.meta.url));

/** An event as the tests write it; `at` is its time, ms after the first one of the application. */
export interface TestEvent {
  readonly id: string;
  readonly key: string;
  readonly at?: number;
  readonly sequence?: number;
  readonly refuse?: boolean;
  /** Instead of all of it. */
  readonly body?: string;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: which fields there are is what the tests test
  readonly body: any;
  readonly headers: Headers;
}

/** The servers of a test file and the applications on them. */
export class QuestionsWorld {
  readonly cluster: Cluster;
  readonly dir: string;
  #apps = 0;

  private constructor(cluster: Cluster, dir: string) {
    this.cluster = cluster;
    this.dir = dir;
  }

  static async start(): Promise<QuestionsWorld> {
    return new QuestionsWorld(await Cluster.start(), await mkdtemp(join(tmpdir(), 'millrace-questions-')));
  }

  /** An application with a stream of its own; no node runs yet. */
  async app(input: OptionsInput = {}): Promise<TestApp> {
    const name = `q${++this.#apps}`;
    await this.cluster.addStream(name.toUpperCase(), [`${name}.*`]);
    const options = await this.cluster.newApp(name, {
      handler: JOURNAL,
      partitions: PARTITIONS,
      stream: { name: name.toUpperCase(), subjects: `${name}.*` },
      http: { port: 0 },
      probes: { port: 0 },
      checkpoint: { interval: '50ms' },
      ...input,
      order: { settle: '50ms', idle: '100ms', ...input.order },
    });
    return new TestApp(this, name, options);
  }

  async stop(): Promise<void> {
    await killCommands();
    await this.cluster.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export class TestApp {
  readonly name: string;
  readonly world: QuestionsWorld;
  readonly #options: OptionsInput;
  readonly #from = Date.now();
  #node: CommandProcess | undefined;
  url = '';

  constructor(world: QuestionsWorld, name: string, options: OptionsInput) {
    this.world = world;
    this.name = name;
    this.#options = options;
  }

  /** The configuration file of the application. */
  get config(): string {
    return join(this.world.dir, `${this.name}.yaml`);
  }

  /** Starts a node, with other options if they are given, and waits until it is ready. */
  async run(over: OptionsInput = {}): Promise<this> {
    await writeFile(this.config, JSON.stringify({ ...this.#options, ...over }));
    this.#node = start(['run', '--config', this.config]);
    this.url = (await this.#node.event<{ url: string }>('node.ready')).url;
    return this;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#node?.child.kill('SIGKILL');
    await this.#node?.ended();
  }

  async drain(): Promise<void> {
    this.#node?.child.kill('SIGTERM');
    await this.#node?.ended();
  }

  /** Waits for a line of the node's log. */
  async logged(event: string): Promise<void> {
    await this.#node!.event(event);
  }

  bodyOf({ id, at = 0, sequence, refuse = false }: Omit<TestEvent, 'key'>): string {
    return JSON.stringify({ id, time: this.#from + at, sequence, data: { refuse } });
  }

  /** Publishes in this order; answers the stream sequence of the last one. */
  async publish(...events: readonly TestEvent[]): Promise<number> {
    const js = jetstream(this.world.cluster.nc);
    // At once: a pause between two of them would be a quiet moment of the stream, and make the next one late.
    const acks = await Promise.all(
      events.map((event) => js.publish(`${this.name}.${event.key}`, event.body ?? this.bodyOf(event))),
    );
    const sequences = acks.map(({ seq }) => seq);
    if (sequences.some((sequence, at) => at > 0 && sequence <= sequences[at - 1]!))
      throw new Error(`stored in another order: ${sequences}`);
    return sequences.at(-1) ?? 0;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answered> {
    const response = await fetch(this.url + path, { headers });
    return { status: response.status, body: await response.json(), headers: response.headers };
  }

  async post(path: string, change: unknown, headers: Record<string, string> = {}): Promise<Answered> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof change === 'string' ? change : JSON.stringify(change),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  }

  partition(key: string): number {
    return partitionOf(key, this.#options.partitions ?? PARTITIONS);
  }

  /** What Redis holds for a key. */
  async stored(key: string): Promise<Journal> {
    const text = await this.world.cluster.db.hget(this.#hash(key, 'state'), key);
    return text === null ? [] : ((JSON.parse(text) as { state: Journal | null }).state ?? []);
  }

  async untilStored(key: string, ids: readonly string[]): Promise<void> {
    let found: Journal = [];
    await until(
      async () => {
        found = await this.stored(key);
        return found.length >= ids.length;
      },
      20_000,
      () => `${ids.join(' ')} of ${key}; there is ${found.join(' ')}`,
    );
    if (found.join(' ') !== ids.join(' ')) throw new Error(`${key} is ${found.join(' ')}, not ${ids.join(' ')}`);
  }

  /** Fields of the partition's dead letters. */
  async letters(key: string): Promise<string[]> {
    return (await this.world.cluster.db.hkeys(this.#hash(key, 'dead'))).sort((a, b) => Number(a) - Number(b));
  }

  async untilLetters(key: string, ...sequences: readonly number[]): Promise<void> {
    let found: string[] = [];
    await until(
      async () => {
        found = await this.letters(key);
        return found.join() === sequences.join();
      },
      20_000,
      () => `dead letters ${sequences.join()}; there are ${found.join()}`,
    );
  }

  /** How many dead letters the partition of a key says it has stored. */
  async deadStored(key: string): Promise<number> {
    const record = await this.world.cluster.db.hget(this.#hash(key, 'meta'), 'record');
    return (JSON.parse(record ?? '{}') as { deadStored: number }).deadStored;
  }

  /** Fields of what the partition of a key has parked. */
  async parkedFields(key: string): Promise<string[]> {
    return (await this.world.cluster.db.hkeys(this.#hash(key, 'parked'))).sort();
  }

  /** The entry of a quarantined key, when as many events are parked. */
  async untilQuarantined(key: string, parked: number): Promise<Record<string, unknown>> {
    let entry: Record<string, unknown> | undefined;
    await until(
      async () => {
        const { body } = await this.get('/v1/quarantine');
        entry = body.quarantined.find((one: { key: string }) => one.key === key);
        return entry?.parked === parked;
      },
      20_000,
      () => `${parked} parked events of ${key}; ${JSON.stringify(entry)}`,
    );
    return entry!;
  }

  /** Waits until the one decision about an id is this. */
  async untilDecided(id: string, decision: string): Promise<Answered['body']> {
    let body: Answered['body'];
    await until(
      async () => {
        ({ body } = await this.get(`/v1/events/${id}`));
        return body.decisions.length === 1 && body.decisions[0].decision === decision;
      },
      20_000,
      () => `${id} is ${decision}; ${JSON.stringify(body)}`,
    );
    return body.decisions[0];
  }

  #hash(key: string, part: string): string {
    return `millrace:{${this.name}:${this.partition(key)}}:${part}`;
  }
}
