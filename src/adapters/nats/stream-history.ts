/**
 * The streams of an application over time, in its KV bucket: what all nodes must agree on before one reads an event.
 *
 * `streams` → `[{"name":"EVENTS","count":1,"bases":["0"]},{"name":"EVENTS","count":2,"bases":["1000","1000"]}]`
 *
 * Invariants
 * S1. It only grows, and only from what was read: two that move at once do not both succeed.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { StreamGeneration } from '../../core/position/stream-generations.js';
import { firstGeneration } from '../../core/position/stream-generations.js';
import { MillraceError } from '../../errors.js';
import { bucketName } from './kv-bucket.js';
import { KvEntries } from './kv-entries.js';

const KEY = 'streams';
const DEADLINE_MS = 5_000;

type Generations = readonly StreamGeneration[];
type Streams = Pick<StreamGeneration, 'name' | 'count'>;

export class StreamHistory {
  readonly #entries: KvEntries;

  constructor(nc: NatsConnection, app: string) {
    this.#entries = new KvEntries(nc, bucketName(app), DEADLINE_MS);
  }

  /** Undefined while nothing is noted. Throws `STREAM_MISSING` without the bucket, `CORRUPT_CHECKPOINT`. */
  async read(): Promise<Generations | undefined> {
    const text = await this.#entries.read(KEY);
    return text === undefined ? undefined : this.#parse(text);
  }

  /** Throws `LAYOUT_MISMATCH` if streams are noted and the newest are others. */
  async expect(streams: Streams): Promise<void> {
    const generations = await this.read();
    if (generations !== undefined) compare(generations, streams);
  }

  /** Notes the streams if none are, and answers all that are noted. Throws as `expect` does. */
  async begin(streams: Streams): Promise<Generations> {
    const first = format([firstGeneration(streams.name, streams.count)]);
    const generations = this.#parse(await this.#entries.change(KEY, (stored) => stored ?? first));
    compare(generations, streams);
    return generations;
  }

  /** Adds a generation to those that were read. Throws `LAYOUT_MISMATCH` if somebody else was faster. */
  async append(known: Generations, next: StreamGeneration): Promise<Generations> {
    const before = format(known);
    const after = format([...known, next]);
    const stored = await this.#entries.change(KEY, (text) => (text === undefined || text === before ? after : text));
    if (stored === after) return [...known, next];
    throw new MillraceError('LAYOUT_MISMATCH', `the streams were changed meanwhile, to ${stored}`);
  }

  #parse(text: string): Generations {
    const generations = parse(text);
    if (generations !== undefined) return generations;
    const where = `${KEY} in bucket ${this.#entries.bucket}`;
    throw new MillraceError('CORRUPT_CHECKPOINT', `${where} cannot be read: ${text.slice(0, 200)}`);
  }
}

function compare(generations: Generations, { name, count }: Streams): void {
  const newest = generations.at(-1)!;
  if (newest.name === name && newest.count === count) return;
  const message = `the events of this application are in ${textOf(newest)}, and the options name ${textOf({ name, count })}: correct stream.name and stream.count, or move with provision --move`;
  throw new MillraceError('LAYOUT_MISMATCH', message);
}

function textOf({ name, count }: Streams): string {
  return count === 1 ? `stream ${name}` : `${count} streams ${name}`;
}

function format(generations: Generations): string {
  return JSON.stringify(generations.map(({ name, count, bases }) => ({ name, count, bases: bases.map(String) })));
}

function parse(text: string): StreamGeneration[] | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const found = value.map(generationOf);
    return found.every((one) => one !== undefined) ? found : undefined;
  } catch {
    return undefined;
  }
}

function generationOf(value: unknown): StreamGeneration | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, count, bases: texts } = value as Record<string, unknown>;
  if (typeof name !== 'string' || !Array.isArray(texts) || count !== texts.length || count < 1) return undefined;
  const bases = texts.map((base) => (typeof base === 'string' && /^\d{1,16}$/.test(base) ? Number(base) : Number.NaN));
  return bases.every(Number.isSafeInteger) ? { name, count, bases } : undefined;
}
