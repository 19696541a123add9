/**
 * The stream that every reader drains: movements of accounts as a day's traffic would have left them, the same in
 * every run. 5 % arrive up to a second late, 1 % twice, and ids are as long as UUIDs.
 *
 * The last events are closers, one per partition and far ahead in time: they push the settle window past everything
 * before them, so that the end of a drain does not wait for a timer.
 */
import { AckPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { partitionOf } from '../../src/core/key/partition.js';

export const STREAM = 'EVENTS';
export const PARTITIONS = 64;

/** What is stored, for those who check. */
export interface FilledStream {
  /** Everything: events, duplicates and closers. */
  readonly messages: number;
  readonly duplicates: number;
  /** Average body. */
  readonly bodyBytes: number;
  /** The last event as stored. */
  readonly lastBody: string;
}

/** How an event is written: Millrace's own body, the same with its key's own number, or a structured CloudEvent. */
export type EventForm = 'json' | 'numbered' | 'cloudevents';

export interface Traffic {
  readonly events: number;
  readonly keys: number;
  readonly form: EventForm;
}

/** Events that traffic like this brings in a millisecond; with the settle window it says how many wait. */
export const EVENTS_PER_MS = 20;
const DISORDERED = 0.05;
const DISORDER_MS_MAX = 1_000;
const DUPLICATED = 0.01;
/** A duplicate comes after so many other events. */
const DUPLICATE_DISTANCE = 100;
const CLOSER_AHEAD_MS = 10_000;
/** Messages between two that wait for the server, so that it is never far behind. */
const FLIGHT = 5_000;

/** Creates the stream and fills it. */
export async function fillStream(connection: NatsConnection, traffic: Traffic): Promise<FilledStream> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: STREAM, subjects: ['events.*'], storage: StorageType.File });
  const js = jetstream(connection);
  let messages = 0;
  let bytes = 0;
  let lastBody = '';
  const publish = async (key: string, body: string): Promise<void> => {
    messages++;
    bytes += body.length;
    lastBody = body;
    if (messages % FLIGHT !== 0) {
      connection.publish(`events.${key}`, body);
      return;
    }
    const { seq } = await js.publish(`events.${key}`, body);
    if (seq !== messages) throw new Error(`${messages} messages were published, ${seq} are stored`);
  };

  const duplicates = await generate(traffic, publish);
  await connection.flush();
  const { state } = await manager.streams.info(STREAM);
  if (state.messages !== messages) throw new Error(`${messages} messages were published, ${state.messages} are stored`);
  return { messages, duplicates, bodyBytes: Math.round(bytes / messages), lastBody };
}

/** Gives every message of the stream to `publish`, in order, and answers how many are duplicates. */
export async function generate(
  { events, keys, form }: Traffic,
  publish: (key: string, body: string) => Promise<void>,
): Promise<number> {
  const random = mulberry32(1);
  const firstTime = Date.now() - Math.ceil(events / EVENTS_PER_MS);
  const repeated: { readonly key: string; readonly body: string; readonly at: number }[] = [];
  const numbers = new Map<string, number>();
  const written = (key: string, movement: Movement): string => write(movement, key, form, numbers);
  let duplicates = 0;
  for (let i = 0; i < events; i++) {
    const key = `account-${Math.floor(random() * keys)}`;
    const delay = random() < DISORDERED ? Math.floor(random() * DISORDER_MS_MAX) : 0;
    const body = written(key, movement(i, firstTime + Math.floor(i / EVENTS_PER_MS) - delay, random));
    await publish(key, body);
    if (random() < DUPLICATED) repeated.push({ key, body, at: i + DUPLICATE_DISTANCE });
    for (; repeated.length > 0 && (repeated[0]!.at <= i || i === events - 1); duplicates++) {
      const again = repeated.shift()!;
      await publish(again.key, again.body);
    }
  }
  const closing = Date.now() + CLOSER_AHEAD_MS;
  for (const [partition, key] of closerKeys().entries())
    await publish(key, written(key, movement(events + partition, closing, random)));
  return duplicates;
}

/** The counting loop's consumer; made here so that all readers find the same kind of stream. */
export async function addCountingConsumer(connection: NatsConnection): Promise<string> {
  const manager = await jetstreamManager(connection);
  const { name } = await manager.consumers.add(STREAM, { ack_policy: AckPolicy.None, mem_storage: true });
  return name;
}

/** One key for each partition. */
function closerKeys(): string[] {
  const keys = new Map<number, string>();
  for (let i = 0; keys.size < PARTITIONS; i++) keys.set(partitionOf(`closer-${i}`, PARTITIONS), `closer-${i}`);
  return [...keys].sort(([a], [b]) => a - b).map(([, key]) => key);
}

interface Movement {
  readonly id: string;
  readonly time: number;
  readonly type: string;
  readonly data: { readonly amount: number; readonly note: string };
}

function movement(i: number, time: number, random: () => number): Movement {
  const type = i % 3 === 2 ? 'withdrawal' : 'deposit';
  const data = { amount: 1 + Math.floor(random() * 5_000), note: `order ${100_000 + (i % 900_000)} of the web shop` };
  return { id: uuidLike(i), time, type, data };
}

/** `numbers`: the last number of each key. */
function write({ id, time, type, data }: Movement, key: string, form: EventForm, numbers: Map<string, number>): string {
  switch (form) {
    case 'json':
      return JSON.stringify({ id, time, type, data });
    case 'numbered': {
      const sequence = (numbers.get(key) ?? 0) + 1;
      numbers.set(key, sequence);
      return JSON.stringify({ id, time, sequence, type, data });
    }
    case 'cloudevents':
      return JSON.stringify({
        specversion: '1.0',
        id,
        source: '/shop',
        type,
        time: new Date(time).toISOString(),
        data,
      });
  }
}

/** As long as a UUID, and as little alike as two of them. */
function uuidLike(i: number): string {
  const part = (n: number): string => (Math.imul(n, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  const [a, b, c, d] = [part(i + 1), part(i + 2), part(i + 3), part(i + 4)];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(5)}-${c.slice(0, 4)}${d}`;
}

/** A small generator with a seed. Source: mulberry32 by Tommy Ettinger (public domain). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
