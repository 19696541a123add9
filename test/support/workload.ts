/**
 * What publishers do to Millrace, from a seed: many keys, some of them busy, events out of order within a window,
 * repeated ones, and a few that nobody can handle.
 *
 * Windows: event times are shuffled inside windows of `disorderMs`, and a window is one batch. A publisher that
 * stalls between two batches therefore adds no disorder of its own: everything that follows is newer.
 */
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { Random } from './random.js';
import { until } from './until.js';

/** A movement of an account, before it is given the form of an event. */
export interface Happening {
  readonly id: string;
  readonly key: string;
  /** Epoch ms. */
  readonly time: number;
  readonly type: 'deposit' | 'withdrawal';
  readonly amount: number;
}

/** What is published. */
export interface Message {
  readonly subject: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly events: number;
  readonly keys: number;
  /** Time of the first event, epoch ms; the others follow a millisecond apart. */
  readonly from: number;
  readonly disorderMs?: number;
  /** How many events are published again, as a share. */
  readonly duplicates?: number;
  /** How many events that cannot be handled are strewn in. */
  readonly poison?: number;
  /** Distinguishes the ids of workloads that meet in one stream. */
  readonly name?: string;
  /** First token of the subjects; `events` by default. */
  readonly prefix?: string;
  readonly shape?: (happening: Happening, random: Random, prefix: string) => Message;
}

/** Batches of messages in the order in which they are published. */
export type Workload = readonly (readonly Message[])[];

const RESERVED = /[\0- .*>%\x7f]/g;

/** The subject token of a key, after the words of the documentation. */
export function tokenFor(key: string): string {
  return key.replaceAll(RESERVED, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** Millrace's own form, with a type inside or outside of the data, and the time in either notation. */
export function ownShape({ id, key, time, type, amount }: Happening, random: Random, prefix: string): Message {
  const at = random.chance(0.1) ? new Date(time).toISOString() : time;
  const event = random.chance(0.5) ? { type, data: { amount } } : { data: { amount, type } };
  const body = JSON.stringify({ id, time: at, ...event, ...(random.chance(0.2) ? { key } : {}) });
  return { subject: `${prefix}.${tokenFor(key)}`, body };
}

export function makeWorkload(options: WorkloadOptions): Workload {
  const {
    seed,
    events,
    from,
    disorderMs = 1_000,
    duplicates = 0.03,
    poison = 0,
    name = '',
    prefix = 'events',
  } = options;
  const random = new Random(seed);
  const shape = options.shape ?? ownShape;
  const keys = Array.from({ length: options.keys }, (_, n) => keyName(n, random));
  const busy = keys.slice(0, Math.max(1, Math.floor(keys.length / 100)));
  const batches: Message[][] = Array.from({ length: Math.ceil(events / disorderMs) }, () => []);
  for (let n = 0; n < events; n++) {
    const at = Math.floor(n / disorderMs);
    const happening: Happening = {
      id: `e${name}-${n}`,
      key: random.pick(random.chance(0.2) ? busy : keys),
      // Groups of four happen in the same millisecond: the stream's own order decides among them.
      time: from + n - (n % 4),
      type: random.chance(0.55) ? 'deposit' : 'withdrawal',
      amount: random.between(1, 1_000),
    };
    const message = shape(happening, random, prefix);
    if (random.chance(duplicates)) repeat(batches, at, message, happening.id, random);
    else batches[at]!.push(message);
  }
  for (let n = 0; n < poison; n++) {
    const at = random.between(0, batches.length - 1);
    batches[at]!.push(poisoned(prefix, `${name}-${n}`, n, from + at * disorderMs, random.pick(keys)));
  }
  return batches.map((batch) => random.shuffle(batch));
}

/** One event twice: soon or much later; most copies without `Nats-Msg-Id`, so that only Millrace can notice them. */
function repeat(batches: Message[][], at: number, message: Message, id: string, random: Random): void {
  const last = batches.length - 1;
  const copyAt = random.chance(0.5) ? Math.min(at + random.between(0, 1), last) : random.between(at, last);
  const named = { ...message, headers: { ...message.headers, 'Nats-Msg-Id': id } };
  const kind = random.next();
  batches[at]!.push(kind < 0.2 ? named : message);
  batches[copyAt]!.push(kind < 0.4 ? named : message);
  if (random.chance(0.05)) batches[copyAt]!.push(message);
}

/** Mostly `account-7`, but also what may go wrong in tokens, JSON and objects. */
function keyName(n: number, random: Random): string {
  if (n === 1) return '__proto__';
  if (n === 2) return 'constructor';
  const kind = random.next();
  if (kind < 0.01) return `Konto Ä.${n}`;
  if (kind < 0.02) return `100%>${n}*`;
  if (kind < 0.03) return `口座"\\${n}`;
  return `account-${n}`;
}

const invalidBytes = new Uint8Array([0x7b, 0x22, 0x69, 0x64, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]);

function poisoned(prefix: string, id: string, n: number, time: number, key: string): Message {
  const subject = `${prefix}.${tokenFor(key)}`;
  const data = { type: 'deposit', amount: 1 };
  const form: readonly Message[] = [
    { subject, body: '{"id":"x","time":' },
    { subject, body: JSON.stringify({ time, data }) },
    { subject: `${prefix}.bad%zz`, body: JSON.stringify({ id: `p${id}`, time, data }) },
    { subject: `${prefix}.a%41`, body: JSON.stringify({ id: `p${id}`, time, data }) },
    { subject, body: invalidBytes },
    { subject, body: JSON.stringify({ id: `p${id}`, time: 253_000_000_000_000, data }) },
    { subject, body: JSON.stringify({ id: `p${id}`, time: '2026-02-30T00:00:00Z', data }) },
    { subject, body: JSON.stringify({ id: `p${id}`, time, data: { type: 'deposit', amount: -3 } }) },
    { subject, body: `${'['.repeat(100)}${']'.repeat(100)}` },
    { subject, body: JSON.stringify({ id: `p${id}`, time, key: `${key}!`, data }) },
    { subject, body: '' },
  ];
  return form[n % form.length]!;
}

/**
 * Publishes a batch as any client does, and settles when the stream has all of it: the last one asks for the answer.
 * Answers where the stream then ends, or undefined if the last one was not stored again.
 */
export async function publishBatch(
  nc: NatsConnection,
  batch: readonly Message[],
  timeout = 20_000,
): Promise<number | undefined> {
  const last = batch.length - 1;
  for (let i = 0; i < last; i++) nc.publish(batch[i]!.subject, batch[i]!.body, headersOf(batch[i]!));
  if (last < 0) return undefined;
  const { subject, body } = batch[last]!;
  const answer = await nc.request(subject, body, { timeout, ...headersOf(batch[last]!) });
  const { error, seq, duplicate } = answer.json<{
    error?: { description: string };
    seq: number;
    duplicate?: boolean;
  }>();
  if (error !== undefined) throw new Error(`the stream refused ${subject}: ${error.description}`);
  return duplicate === true ? undefined : seq;
}

/** Answers the last stream sequences of the batches. */
export async function publishAll(nc: NatsConnection, workload: Workload): Promise<number[]> {
  const ends: number[] = [];
  for (const batch of workload) {
    const end = await publishBatch(nc, batch);
    if (end !== undefined) ends.push(end);
  }
  return ends;
}

function headersOf(message: Message): { headers?: ReturnType<typeof headers> } {
  if (message.headers === undefined) return {};
  const block = headers();
  for (const [name, value] of Object.entries(message.headers)) block.set(name, value);
  return { headers: block };
}

/** Publishes batches at a steady rate while a test does something else, and no more of them than it is allowed. */
export class SteadyPublisher {
  #batches = 0;
  #allowed = Number.POSITIVE_INFINITY;
  #stopped = false;
  #isIdle = true;
  readonly #total: number;
  /** Settles when everything is published, or when it was stopped. */
  readonly done: Promise<void>;

  constructor(nc: NatsConnection, workload: Workload, everyMs: number) {
    this.#total = workload.length;
    this.done = this.#run(nc, workload, everyMs);
    this.done.catch(() => undefined); // whoever awaits `done` gets it
  }

  /** Waits at this share of the workload. */
  allow(share: number): void {
    this.#allowed = share;
  }

  /** Everything that it may publish now is stored. */
  get isWaiting(): boolean {
    return this.#isIdle && this.#batches >= this.#allowed * this.#total;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.done;
  }

  async #run(nc: NatsConnection, workload: Workload, everyMs: number): Promise<void> {
    let due = performance.now();
    const isDue = (): boolean => performance.now() >= due && this.#batches < this.#allowed * workload.length;
    for (const batch of workload) {
      await until(() => this.#stopped || isDue(), 120_000, 'the time of the next batch');
      if (this.#stopped) return;
      due = Math.max(due + everyMs, performance.now() - everyMs);
      this.#isIdle = false;
      // As publishers do: what was not acknowledged is sent again.
      const isStored = () =>
        publishBatch(nc, batch, 3_000).then(
          () => true,
          () => this.#stopped,
        );
      await until(isStored, 60_000, 'an acknowledged batch');
      this.#batches++;
      this.#isIdle = true;
    }
  }
}
