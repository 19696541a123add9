/**
 * Whether stored states are what the log gives: one thread folds the stream from its start with the same actors, over
 * memory alone, and every key is compared.
 *
 * What is verified is a savepoint, which is of one moment by construction. An event that the fold has decided and the
 * savepoint has not, or the other way round, was under way at that moment (its state was being loaded, or the clock of
 * a quiet stream had moved on); its key is left out and counted.
 */
import type { ActorOptions } from '../core/actor/actor.js';
import { Actor } from '../core/actor/actor.js';
import type { Handler } from '../core/actor/handler.js';
import type { Commit } from '../core/checkpoint/commit.js';
import type { PartitionRecord } from '../core/checkpoint/record.js';
import { decodeRecord, firstRecord } from '../core/checkpoint/record.js';
import { streamIndexOf } from '../core/key/stream-share.js';
import type { Position } from '../core/position/position-window.js';
import { isDecided } from '../core/position/position-window.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import { decodeOne } from '../host/decode-one.js';
import type { DecoderOptions } from '../host/event-decoder.js';
import { EventDecoder } from '../host/event-decoder.js';
import type { EventLog } from '../ports/event-log.js';
import { timeText } from '../ports/event-log.js';
import type { StreamRoute } from './key-route.js';
import { readRange } from './read-range.js';
import type { SavepointSource } from './savepoint/savepoint-file.js';
import { recordsOf } from './savepoint/savepoint-file.js';

export interface VerifyOptions {
  readonly actor: ActorOptions;
  readonly decoder: DecoderOptions;
  readonly partitions: number;
  readonly signal: AbortSignal;
  readonly told: (read: number, all: number) => void;
}

export interface VerifyDependencies {
  readonly log: EventLog;
  readonly handler: Handler;
  /** The streams, each with those before it; the nth holds the nth share of the partitions. */
  readonly chains: readonly StreamChain[];
  /** One for each stream. */
  readonly routes: readonly StreamRoute[];
}

/** The first key, by partition and name, whose state is not what the fold gives. Envelopes as text; null is none. */
export interface Difference {
  readonly key: string;
  readonly partition: number;
  readonly stored: string | null;
  readonly folded: string | null;
}

export interface Verdict {
  readonly events: number;
  readonly keys: number;
  readonly partitions: number;
  /** Keys that differ; `first` is one of them. */
  readonly different: number;
  readonly first: Difference | null;
  /** Keys whose events were under way. */
  readonly leftOut: number;
}

/** Nothing is loaded and nothing leaves: memory holds every state of the application. */
const ALL = Number.MAX_SAFE_INTEGER;
const unbounded = { residentKeysMax: ALL, residentBytesMax: ALL, deadLettersMax: ALL, parkedMax: ALL } as const;

/** Throws GAP if the stream no longer has its start, SAVEPOINT_INVALID, and what reading the log fails with. */
export async function verify(
  source: SavepointSource,
  options: VerifyOptions,
  deps: VerifyDependencies,
): Promise<Verdict> {
  const records = await recordsOf(source);
  const lost = [...records.values()].find(({ gaps }) => gaps.length > 0);
  if (lost !== undefined)
    throw new MillraceError('GAP', `partition ${lost.partition} has gone on without lost events: ${lost.gaps.join()}`);
  const folds = new Map<number, Fold>();
  for (const [partition, record] of records) folds.set(partition, new Fold(partition, record, options, deps));
  let events = 0;
  for (const stream of deps.chains.keys()) events += await foldStream(stream, folds, options, deps);
  return compare(source, folds, events);
}

/** Folds one of the streams into those of its partitions; answers how many events it read. */
async function foldStream(
  index: number,
  folds: ReadonlyMap<number, Fold>,
  { partitions, signal, told }: VerifyOptions,
  { log, chains, routes }: VerifyDependencies,
): Promise<number> {
  const own = [...folds].filter(([partition]) => streamIndexOf(partition, partitions, chains.length) === index);
  const last = Math.max(0, ...own.map(([, fold]) => fold.last));
  const { stream } = newestOf(chains[index]!);
  const { first } = await log.info(stream);
  if (last > 0 && first > 1) throw new MillraceError('GAP', `stream ${stream} begins at ${first}: its start is gone`);
  const route = routes[index]!;
  await readRange(log, { stream, first: 1, last, signal }, (sequence, timeMs, subject, headers, body, timeNanos) => {
    folds.get(route(subject, headers, body, sequence))?.take(sequence, timeMs, subject, headers, body);
    if (sequence % EVENTS_TOLD !== 0) return;
    for (const [, fold] of own) fold.passed({ sequence, time: timeText(timeMs, timeNanos) }, timeMs);
    told(sequence, last);
  });
  return last;
}

const EVENTS_TOLD = 20_000;

/** One partition: its actor, and the events that its savepoint may see otherwise. */
class Fold {
  readonly #record: PartitionRecord;
  readonly #actor: Actor;
  readonly #decoder: EventDecoder;
  readonly #partition: number;
  readonly #idleMs: number;
  /** Key of each event above the savepoint's floor. */
  readonly #recent = new Map<number, string | undefined>();

  constructor(partition: number, record: PartitionRecord, options: VerifyOptions, { handler }: VerifyDependencies) {
    this.#partition = partition;
    this.#record = record;
    this.#idleMs = options.actor.idleMs;
    this.#decoder = new EventDecoder(options.decoder);
    const { layout, chain } = record;
    this.#actor = new Actor({ ...options.actor, ...unbounded }, handler, {
      owner: 'verify',
      number: 0,
      record: firstRecord({ layout, chain, partition, first: 1, gaps: [], savedAt: 0 }),
      segments: [],
      outboxStored: 0,
      quarantines: new Map(),
      parked: [],
      empty: true,
    });
  }

  /** The last sequence that its savepoint has routed. */
  get last(): number {
    const { position, anchor } = this.#record;
    return Math.max(position.floor, position.above.at(-1) ?? 0, anchor.sequence);
  }

  take(sequence: number, timeMs: number, subject: Uint8Array, headers: Uint8Array | undefined, body: Uint8Array): void {
    if (sequence > this.last) return;
    const { raw, decoded } = decodeOne(this.#decoder, {
      partition: this.#partition,
      sequence,
      timeMs,
      subject,
      headers,
      body,
    });
    if (sequence > this.#record.position.floor)
      this.#recent.set(sequence, decoded.kind === 'event' ? decoded.event.key : decoded.key);
    this.#actor.offer(raw, decoded);
  }

  passed(anchor: { sequence: number; time: string }, streamTime: number): void {
    if (anchor.sequence > this.last) return;
    this.#actor.passed(streamTime);
    this.#actor.routed(anchor);
  }

  /** Everything that the fold has, and the keys whose events the savepoint sees otherwise. */
  end(): { readonly states: Map<string, string>; readonly leftOut: ReadonlySet<string> } {
    const { position, anchor, arrival } = this.#record;
    this.#actor.passed(anchor.time === '' ? Number.NEGATIVE_INFINITY : Number(anchor.time.slice(0, -6)));
    this.#actor.routed(anchor);
    let cut = this.#cut();
    const isOpen = (at: number): boolean => isDecided(position, at) && !isDecided(cut.position, at);
    if (cut.position.floor < position.floor || [...this.#recent.keys()].some(isOpen)) {
      // The clock of the quiet stream had moved on there; what it released is released here too.
      this.#actor.confirm();
      this.#actor.passed(arrival + this.#idleMs);
      const more = this.#cut();
      cut = { position: more.position, states: new Map([...cut.states, ...more.states]) };
    }
    const leftOut = new Set<string>();
    for (const [at, key] of this.#recent)
      if (key !== undefined && isDecided(position, at) !== isDecided(cut.position, at)) leftOut.add(key);
    return { states: cut.states, leftOut };
  }

  #cut(): { readonly states: Map<string, string>; readonly position: Position } {
    const commit: Commit | undefined = this.#actor.prepare(0);
    const decoded = commit === undefined ? undefined : decodeRecord(commit.record);
    if (commit === undefined || decoded?.kind !== 'record')
      throw new MillraceError('STATE_INVALID', `partition ${this.#partition}: ${this.#actor.halt?.problem}`);
    return { states: new Map(commit.state.set), position: decoded.record.position };
  }
}

async function compare(source: SavepointSource, folds: ReadonlyMap<number, Fold>, events: number): Promise<Verdict> {
  let keys = 0;
  let different = 0;
  let leftOut = 0;
  let first: Difference | null = null;
  let partition = -1;
  let own: ReturnType<Fold['end']> | undefined;
  const note = (key: string, stored: string | null, folded: string | null): void => {
    keys++;
    if (own?.leftOut.has(key) === true) leftOut++;
    else if (stored !== folded) {
      different++;
      first ??= { key, partition, stored, folded };
    }
  };
  const close = (): void => {
    for (const [key, folded] of own?.states ?? []) if (!isEmpty(folded)) note(key, null, folded);
  };
  for await (const line of source.lines()) {
    if (line.partition !== partition) {
      close();
      partition = line.partition;
      own = folds.get(partition)?.end();
    }
    if (line.kind !== 'entry' || line.part !== 'state') continue;
    const folded = own?.states.get(line.field) ?? null;
    own?.states.delete(line.field);
    note(line.field, line.value, folded);
  }
  close();
  return { events, keys, partitions: folds.size, different, first, leftOut };
}

/** A key whose events were all set aside may have an envelope of nothing, or none. */
function isEmpty(envelope: string): boolean {
  return envelope.includes('"applied":0');
}
