/** What the publishers of a seed do: events of several keys, out of order, repeated, and some that nobody can handle. */
import type { RejectCode } from '../../src/core/event/reject.js';
import { partitionFor, tokenOf } from '../support/oracle.js';
import { Random } from '../support/random.js';
import type { Deed } from './history-handler.js';
import type { Plan } from './plan.js';

/** Round, and late enough that nothing comes near zero: epoch ms. */
export const T0 = 1_700_000_000_000;

/** What an event says, as far as it can be read. */
export interface Said {
  readonly key: string;
  readonly id: string;
  /** Epoch ms; undefined: the stream's time counts. */
  readonly time: number | undefined;
  /** In its key's own numbering; undefined: it has none. */
  readonly number: number | undefined;
  readonly deed: Deed;
}

export interface Publish {
  readonly atMs: number;
  readonly subject: string;
  readonly body: Uint8Array;
  readonly partition: number;
  /** The key that the subject names, also where the body cannot be read; undefined if it names none. */
  readonly key: string | undefined;
  /** Number of the body; repeats of the same bytes share it. */
  readonly n: number;
  /** Undefined for what cannot be read. */
  readonly said: Said | undefined;
  /** Why it cannot be read. */
  readonly code: RejectCode | undefined;
}

const KEYS = ['a', 'b', '__proto__', 'd e', 'constructor', 'ä', 'g.h', '口'];

const TOKENS = new Map(KEYS.map((key) => [key, tokenOf(key)]));

const encoder = new TextEncoder();

export function workloadOf(plan: Plan): Publish[] {
  const random = new Random(Math.imul(plan.seed, 0x85ebca6b) ^ 0xfeed);
  const skews = Array.from({ length: plan.publishers }, () => random.next() * 0.3 * plan.disorderMs);
  const numbers = new Numbers(random, plan.order === 'sequence');
  const made: Publish[] = [];
  const publishes: Publish[] = [];
  let atMs = 1;
  for (let n = 1; n <= plan.events; n++) {
    atMs += random.chance(plan.quiet) ? random.between(80, 500) : random.next() * 2 * plan.gapMs;
    if (random.chance(plan.repeats) && made.length > 0) {
      publishes.push(repeatOf(random, atMs, n, made, plan.partitions));
      continue;
    }
    const key = KEYS[random.between(0, plan.keys - 1)]!;
    const skew = random.pick(skews) + random.next() * 0.7 * plan.disorderMs;
    const time = T0 + Math.floor(atMs) - Math.floor(skew / 4) * 4;
    const deed = random.chance(0.12) ? 'emit' : 'add';
    const timed = random.chance(0.95) ? time : undefined;
    const publish = random.chance(plan.poison)
      ? poisonOf(random, atMs, n, key, time, numbers.next(key), plan)
      : eventOf(atMs, n, { key, id: idOf(random, n), time: timed, number: numbers.next(key), deed }, plan.partitions);
    if (publish.said !== undefined) made.push(publish);
    publishes.push(publish);
  }
  return publishes;
}

/** The keys' own numbers: in order where nobody looks at them, else with disorder, repeats, gaps, and some without. */
class Numbers {
  readonly #random: Random;
  readonly #isDisordered: boolean;
  readonly #last = new Map<string, number>();
  /** Numbers that were left out, to come later. */
  readonly #left = new Map<string, number[]>();

  constructor(random: Random, isDisordered: boolean) {
    this.#random = random;
    this.#isDisordered = isDisordered;
  }

  next(key: string): number | undefined {
    const random = this.#random;
    const last = this.#last.get(key) ?? 0;
    if (!this.#isDisordered) return this.#take(key, last + 1);
    const left = this.#left.get(key) ?? [];
    if (left.length > 0 && random.chance(0.5)) return left.splice(random.between(0, left.length - 1), 1)[0];
    if (last > 0 && random.chance(0.04)) return random.between(1, last);
    if (random.chance(0.03)) return undefined;
    if (!random.chance(0.15)) return this.#take(key, last + 1);
    const ahead = random.between(2, 4);
    for (let number = last + 1; number < last + ahead; number++) if (random.chance(0.8)) left.push(number);
    this.#left.set(key, left);
    return this.#take(key, last + ahead);
  }

  #take(key: string, number: number): number {
    this.#last.set(key, number);
    return number;
  }
}

/** Ids that must not be trimmed, folded or taken for properties. */
function idOf(random: Random, n: number): string {
  return random.chance(0.1) ? random.pick([`E${n}`, `e${n} x`, `é${n}`, `__proto__${n}`]) : `e${n}`;
}

function eventOf(atMs: number, n: number, said: Said, partitions: number): Publish {
  const { key } = said;
  const body = bodyOf(n, said);
  return raw(atMs, n, key, encoder.encode(body), partitions, said, undefined);
}

/** The body that says this. */
export function bodyOf(n: number, { id, time, number, deed }: Omit<Said, 'key'>): string {
  const sequence = number === undefined ? {} : { sequence: number };
  return JSON.stringify({ id, ...(time === undefined ? {} : { time }), ...sequence, data: { n, deed } });
}

/** The same id again: mostly the same bytes, sometimes another body, soon or late. */
function repeatOf(random: Random, atMs: number, n: number, made: readonly Publish[], partitions: number): Publish {
  const back = random.chance(0.7) ? random.between(1, 5) : random.between(1, made.length);
  const first = made[Math.max(0, made.length - back)]!;
  if (first.said === undefined || random.chance(0.7)) return { ...first, atMs };
  const { said } = first;
  const number = said.number === undefined || random.chance(0.5) ? said.number : said.number + 1;
  return eventOf(atMs, n, { ...said, number }, partitions);
}

function poisonOf(
  random: Random,
  atMs: number,
  n: number,
  key: string,
  time: number,
  number: number | undefined,
  plan: Plan,
): Publish {
  const { partitions, payloadBytesMax, aheadMsMax } = plan;
  const id = `p${n}`;
  const text = (value: unknown, code: RejectCode): Publish =>
    raw(atMs, n, key, encoder.encode(JSON.stringify(value)), partitions, undefined, code);
  const bytes = (body: Uint8Array, code: RejectCode): Publish => raw(atMs, n, key, body, partitions, undefined, code);
  const data = { n, deed: 'add' };
  switch (random.between(0, 12)) {
    case 0:
      return bytes(encoder.encode('{"id":'), 'EVENT_INVALID');
    case 1:
      // Without dedupe, an event needs no id.
      return text(plan.dedupe === undefined ? { time, id: 7.5, data } : { time, data }, 'EVENT_INVALID');
    case 2:
      return text({ id, time, key: `${key}!`, data }, 'EVENT_INVALID');
    case 3:
      return text({ id: ` ${id}`, time, data }, 'EVENT_INVALID');
    case 4:
      return text({ id, time: '2026-02-30T00:00:00Z', data }, 'EVENT_INVALID');
    case 5:
      return bytes(new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x7d]), 'EVENT_NOT_UTF8');
    case 6:
      return text({ id, time, data, padding: 'x'.repeat(payloadBytesMax) }, 'EVENT_TOO_LARGE');
    case 7:
      return bytes(encoder.encode('['.repeat(80) + ']'.repeat(80)), 'EVENT_TOO_DEEP');
    case 8: {
      const token = 'a%41';
      const body = encoder.encode(JSON.stringify({ id, time, data }));
      const partition = partitionFor(token, partitions);
      const rest = { n, key: undefined, said: undefined, code: 'EVENT_KEY_INVALID' } as const;
      return { atMs, subject: `events.${token}`, body, partition, ...rest };
    }
    case 9:
      return eventOf(atMs, n, { key, id, time: time + aheadMsMax + 5_000, number, deed: 'add' }, partitions);
    default: {
      const deed = random.pick(['throw', 'mutate', 'undefined'] as const);
      return eventOf(atMs, n, { key, id, time, number, deed }, partitions);
    }
  }
}

function raw(
  atMs: number,
  n: number,
  key: string,
  body: Uint8Array,
  partitions: number,
  said: Said | undefined,
  code: RejectCode | undefined,
): Publish {
  const token = TOKENS.get(key)!;
  return { atMs, subject: `events.${token}`, body, partition: partitionFor(token, partitions), key, n, said, code };
}
