/** One load from the first connection to the audit: who does what and when. What is counted is in files of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadTarget } from '../../compose/load-target.js';
import { codeOf, type ErrorCode } from '../../errors.js';
import type { StatusView } from '../../http/status-view.js';
import type { NodeAddress } from '../ask-node.js';
import { grouped } from '../text.js';
import { type EventOptions, keyName } from './event-maker.js';
import { Latency } from './latency.js';
import type { Check, Decided, KeyFinding, KeySum, Published } from './load-audit.js';
import {
  auditCounters,
  auditKeys,
  auditPublished,
  decidedCount,
  decidedOf,
  isReported,
  storedOf,
  sumByKey,
} from './load-audit.js';
import type { LoadResult, LoadSecond } from './load-result.js';
import { NodeEyes } from './node-eyes.js';
import { PublishingFleet } from './publishing-fleet.js';
import type { KeyCount, PublishingTally, PublishingTask } from './publishing-messages.js';
import { sharedNow } from './publishing-messages.js';
import { type ProfileOptions, RateProfile } from './rate-profile.js';

export interface LoadOptions {
  readonly target: LoadTarget;
  /** The target as people are told of it. */
  readonly targetText: string;
  readonly publishSubject: string;
  readonly partitions: number;
  readonly profile: ProfileOptions;
  readonly events: EventOptions;
  readonly publishers: number;
  readonly window: number;
  /** Events a second that are followed until they are durable. */
  readonly samples: number;
  /** Length of the schedule's first part, whose latencies are not counted. */
  readonly warmUpMs: number;
  /** The node that is looked at; undefined where nobody shall look. */
  readonly node: NodeAddress | undefined;
  /** `order.late` of the application is `apply`. */
  readonly isLateApplied: boolean;
  /** How long stored events may take to be decided and durable, after the last one. */
  readonly drainMs: number;
  readonly signal: AbortSignal;
  readonly show: (text: string) => void;
}

const SECOND_MS = 1_000;
const LOOK_MS = 250;
const COUNTED_KEYS = 100;
const GRACE_MS = 10_000;
/** A thread reports twice a second, if it is given the time. */
const REPORT_MS = 10_000;

/** Publishes, watches and audits. Throws what connecting fails with, and what no event gets past. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  return new LoadSession(options).run();
}

class LoadSession {
  readonly #options: LoadOptions;
  readonly #profile: RateProfile;
  readonly #eyes: NodeEyes | undefined;
  readonly #sentLatency = new Latency();
  readonly #latency = new Latency();
  readonly #second = new Latency();
  readonly #series: LoadSecond[] = [];
  readonly #failures: Partial<Record<ErrorCode, number>> = {};
  #sent = 0;
  #acknowledged = 0;
  #repeats = 0;
  #known = 0;
  #lastAcknowledgedAt = 0;
  #acknowledgedInSecond = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#profile = new RateProfile(options.profile);
    this.#eyes = options.node === undefined ? undefined : new NodeEyes(options.node);
  }

  async run(): Promise<LoadResult> {
    const { signal } = this.#options;
    const before = this.#eyes === undefined ? undefined : await this.#decided(this.#eyes);
    const fleet = new PublishingFleet(this.#tasks(), {
      tally: (tally) => this.#count(tally),
      sample: (sample) => this.#eyes?.follow(sample),
      stored: (id, stored) => this.#eyes?.stored(id, stored),
    });
    const stop = (): void => fleet.stop();
    try {
      await fleet.ready();
      const keysBefore = await this.#appliedBefore();
      const startedAt = fleet.begin();
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      const keys = await this.#watch(startedAt, fleet.done());
      const scheduled = signal.aborted ? this.#acknowledged + this.#failed : this.#profile.total;
      const audit = await this.#audit(scheduled, before, keys, keysBefore);
      return this.#result(startedAt, scheduled, audit);
    } finally {
      signal.removeEventListener('abort', stop);
      fleet.close();
    }
  }

  #tasks(): PublishingTask[] {
    const { target, publishSubject, partitions, profile, events, publishers, window, samples, warmUpMs } =
      this.#options;
    return Array.from({ length: publishers }, (_, index) => ({
      ...{ target, publishSubject, partitions, profile, index, publishers, warmUpMs },
      // Numbered events are planned alike by all.
      events: { ...events, seed: events.numbersFrom === undefined ? events.seed + index : events.seed },
      ...{ window: Math.ceil(window / publishers), graceMs: GRACE_MS },
      samples: this.#eyes === undefined ? 0 : samples / publishers,
      countedKeys: this.#eyes === undefined ? 0 : COUNTED_KEYS,
    }));
  }

  #count(tally: PublishingTally): void {
    this.#sent += tally.sent;
    this.#acknowledged += tally.acknowledged;
    this.#acknowledgedInSecond += tally.acknowledged;
    this.#repeats += tally.repeats;
    this.#known += tally.known;
    if (tally.acknowledged > 0) this.#lastAcknowledgedAt = sharedNow();
    for (const [code, count] of Object.entries(tally.failures) as [ErrorCode, number][])
      this.#failures[code] = (this.#failures[code] ?? 0) + count;
    this.#sentLatency.addAll(tally.sentMicros);
    this.#second.addAll(tally.acknowledgedMicros);
  }

  get #failed(): number {
    return Object.values(this.#failures).reduce((sum, count) => sum + count, 0);
  }

  /** Once a second until the publishers are through: how it stands. */
  async #watch(startedAt: number, done: Promise<KeyCount[]>): Promise<KeyCount[]> {
    let isDone = false;
    const ended = done.finally(() => {
      isDone = true;
    });
    ended.catch(() => undefined); // heard below
    for (let second = 0; !isDone; second++) {
      const until = startedAt + (second + 1) * SECOND_MS;
      while (!isDone && sharedNow() < until) await delay(Math.min(LOOK_MS, Math.max(1, until - sharedNow())));
      const status = await this.#eyes?.status().catch(() => undefined); // a second without a node is a gap in the plot
      this.#note(second, status);
    }
    const keys = await ended;
    this.#latency.drain(this.#second);
    return keys;
  }

  #note(second: number, status: StatusView | undefined): void {
    const due = (at: number): number => this.#profile.dueAt(Math.min(at * SECOND_MS, this.#options.profile.durationMs));
    const offered = due(second + 1) - due(second);
    const p99Ms = this.#second.report()?.p99 ?? null;
    const unread = status?.unread ?? null;
    const buffered = status?.partitions.reduce((sum, partition) => sum + (partition.buffered ?? 0), 0) ?? null;
    const acknowledged = this.#acknowledgedInSecond;
    this.#latency.drain(this.#second);
    this.#acknowledgedInSecond = 0;
    // After the schedule only what is still coming in is worth a line.
    if (offered > 0 || acknowledged > 0) this.#series.push({ second, offered, acknowledged, p99Ms, unread, buffered });
    const behind = unread === null ? '' : `  behind ${grouped(unread)}`;
    const latency = p99Ms === null ? '' : `  p99 ${p99Ms.toFixed(1)} ms`;
    this.#options.show(
      `${second + 1} s  offered ${grouped(offered)}/s  acknowledged ${grouped(acknowledged)}/s${latency}${behind}`,
    );
  }

  /** How many events of each counted key had been applied before. */
  async #appliedBefore(): Promise<number[]> {
    const eyes = this.#eyes;
    if (eyes === undefined) return [];
    const count = Math.min(COUNTED_KEYS, this.#options.events.keys);
    const keys = Array.from({ length: count }, (_, number) => keyName(this.#options.events, number));
    return Promise.all(keys.map(async (key) => (await eyes.state(key))?.applied ?? 0));
  }

  async #audit(
    scheduled: number,
    before: Decided | undefined,
    keys: readonly KeyCount[],
    keysBefore: readonly number[],
  ): Promise<Check[]> {
    const failed = this.#failed;
    const published: Published = {
      ...{ scheduled, acknowledged: this.#acknowledged, repeats: this.#repeats, known: this.#known, failed },
    };
    const checks = [auditPublished(published)];
    const eyes = this.#eyes;
    if (eyes === undefined) return checks;
    try {
      const deadline = sharedNow() + this.#options.drainMs;
      const after = before === undefined ? undefined : await this.#untilDecided(eyes, published, before, deadline);
      await eyes.close(Math.max(0, deadline - sharedNow()));
      if (before !== undefined && after !== undefined) checks.push(...auditCounters(published, before, after));
      else checks.push({ check: 'decided', level: 'unknown', found: 'this node does not run every partition' });
      const lost = `${grouped(eyes.lost)} sampled events were not seen to become durable`;
      if (eyes.lost > 0) checks.push({ check: 'samples', level: 'unknown', found: lost });
      checks.push(auditKeys(await this.#keyFindings(eyes, keys, keysBefore, deadline), failed));
    } catch (error) {
      await eyes.close(0);
      checks.push({ check: 'decided', level: 'finding', found: `the node cannot be asked: ${codeOf(error)}` });
    }
    return checks;
  }

  /** What the node has decided so far; undefined where it does not run every partition. */
  async #decided(eyes: NodeEyes): Promise<Decided | undefined> {
    const { partitions, isLateApplied } = this.#options;
    const deadline = sharedNow() + REPORT_MS;
    let status = await eyes.status();
    while (!isReported(status) && sharedNow() < deadline) {
      await delay(LOOK_MS);
      status = await eyes.status();
    }
    return decidedOf(status, partitions, isLateApplied);
  }

  async #untilDecided(
    eyes: NodeEyes,
    published: Published,
    before: Decided,
    deadline: number,
  ): Promise<Decided | undefined> {
    for (;;) {
      const after = await this.#decided(eyes);
      const decided = after === undefined ? 0 : decidedCount(before, after);
      if (after === undefined || decided >= storedOf(published) || sharedNow() > deadline) return after;
      this.#options.show(`waiting until all is decided: ${grouped(decided)} of ${grouped(storedOf(published))}`);
      await delay(LOOK_MS);
    }
  }

  async #keyFindings(
    eyes: NodeEyes,
    counts: readonly KeyCount[],
    keysBefore: readonly number[],
    deadline: number,
  ): Promise<KeyFinding[]> {
    const find = async (number: number, { events, newest, last }: KeySum): Promise<KeyFinding> => {
      const key = keyName(this.#options.events, number);
      let state: Awaited<ReturnType<NodeEyes['state']>>;
      for (const place of last) state = await stateWithin(eyes, key, place, deadline);
      const applied = (state?.applied ?? 0) - (keysBefore[number] ?? 0);
      return { key, expected: events, applied, newest, time: state?.time ?? null };
    };
    return Promise.all([...sumByKey(counts)].map(([number, sum]) => find(number, sum)));
  }

  #result(startedAt: number, scheduled: number, audit: readonly Check[]): LoadResult {
    const { targetText, profile, events, publishers, warmUpMs, signal } = this.#options;
    const { seed, keys, skew, hot, size, duplicates, disorderMs } = events;
    const seconds = Math.max(0.001, (this.#lastAcknowledgedAt - startedAt) / 1_000);
    return {
      ...{ target: targetText, profile: profile.profile, ratePerSecond: profile.rate, durationMs: profile.durationMs },
      ...{ warmUpMs, seed, publishers, keys, skew, hot, size, duplicates, disorderMs },
      isInterrupted: signal.aborted,
      ...{ seconds, scheduled, sent: this.#sent, acknowledged: this.#acknowledged, failures: this.#failures },
      acknowledgedPerSecond: Math.round(this.#acknowledged / seconds),
      latencyMs: {
        ...{ sent: this.#sentLatency.report(), acknowledged: this.#latency.report() },
        ...(this.#eyes?.report() ?? { applied: null, durable: null, node: null }),
      },
      series: this.#series,
      audit,
    };
  }
}

/** Asked again while its last event is not durable; at the deadline as it is then. */
async function stateWithin(
  eyes: NodeEyes,
  key: string,
  place: KeyCount,
  deadline: number,
): ReturnType<NodeEyes['state']> {
  for (;;) {
    try {
      return await eyes.state(key, place);
    } catch (error) {
      if (codeOf(error) !== 'NOT_REFLECTED') throw error;
      if (sharedNow() > deadline) return eyes.state(key);
    }
  }
}
