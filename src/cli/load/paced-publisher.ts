/**
 * One publisher of a load: sends its events at their moments, as many at once as its window has room for, and counts.
 *
 * Invariants
 * P1. An event is never sent before its moment, and none is left out because others are slow: it is sent later, and
 *     its latency counts from its moment all the same.
 * P2. At most `window` events wait for their acknowledgement, so memory is bounded whatever the target does.
 */
import { tokenOfKey } from '../../core/key/key.js';
import { partitionOf } from '../../core/key/partition.js';
import { codeOf, type ErrorCode, errorTable, messageOf } from '../../errors.js';
import type { Appended, EventSink } from '../../ports/event-log.js';
import { SeededRandom } from '../../testing/seeded-random.js';
import { EventMaker, keyName, type LoadEvent, type PlannedEvent } from './event-maker.js';
import type { FromPublisher, KeyCount, PublishingTask } from './publishing-messages.js';
import { sharedNow } from './publishing-messages.js';
import { RateProfile } from './rate-profile.js';

const TICK_MS = 1;
const TALLY_MS = 250;
/** Samples are told so long before their moment: who follows one is to wait for it already when it is applied. */
const AHEAD_MS = 25;
const AHEAD_MAX = 5_000;
const BLOCK_MAX = 10_000;
/** So that acknowledgements are read between two runs of sending. */
const BURST_MAX = 500;

export class PacedPublisher {
  readonly #task: PublishingTask;
  readonly #sink: EventSink;
  readonly #tell: (message: FromPublisher) => void;
  readonly #profile: RateProfile;
  readonly #maker: EventMaker;
  readonly #isNumbered: boolean;
  readonly #blockEvents: number;
  readonly #shuffle: SeededRandom;
  readonly #keys = new Map<number, KeyCount>();
  /** What is sent next: at least every event that has its moment soon. */
  readonly #planned: ScheduledEvent[] = [];
  #next: number;
  #planNext: number;
  #startedAt = 0;
  #startEpochMs = 0;
  /** Latencies of events that have their moment before are not counted. */
  #measuredFrom = 0;
  #sampleAt = 0;
  #inFlight = 0;
  #repeatsSent = 0;
  #isStopped = false;
  #sent = 0;
  #acknowledged = 0;
  #repeats = 0;
  #known = 0;
  #failures: Partial<Record<ErrorCode, number>> = {};
  #sentMicros: number[] = [];
  #acknowledgedMicros: number[] = [];

  constructor(task: PublishingTask, sink: EventSink, tell: (message: FromPublisher) => void) {
    this.#task = task;
    this.#sink = sink;
    this.#tell = tell;
    this.#profile = new RateProfile(task.profile);
    this.#maker = new EventMaker(task.events);
    this.#isNumbered = task.events.numbersFrom !== undefined;
    this.#blockEvents = this.#isNumbered ? blockOf(task) : 1;
    this.#shuffle = new SeededRandom(task.events.seed + task.index);
    this.#next = task.index;
    this.#planNext = this.#isNumbered ? 0 : task.index;
  }

  /** Sends nothing more; what is on its way is still waited for. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Settles when everything is acknowledged or given up. `startAt` is on the shared clock, `startEpochMs` the same moment. */
  async run(startAt: number, startEpochMs: number): Promise<void> {
    this.#startedAt = startAt;
    this.#startEpochMs = startEpochMs;
    const { graceMs, profile, warmUpMs } = this.#task;
    this.#measuredFrom = startAt + warmUpMs;
    this.#sampleAt = this.#measuredFrom;
    const endAt = startAt + profile.durationMs + graceMs;
    const tally = setInterval(() => this.#report(), TALLY_MS);
    try {
      while (!this.#isStopped && this.#next < this.#profile.total && sharedNow() < endAt)
        await (this.#sendDue() ? new Promise(setImmediate) : new Promise((resolve) => setTimeout(resolve, TICK_MS)));
      const waitUntil = this.#isStopped ? sharedNow() + graceMs : endAt + graceMs;
      while (this.#inFlight > 0 && sharedNow() < waitUntil)
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    } finally {
      clearInterval(tally);
    }
    for (const { plan, isSample } of this.#planned)
      if (isSample) this.#tell({ kind: 'stored', id: plan.id, stored: undefined });
    this.#report();
    this.#tell({ kind: 'done', keys: [...this.#keys.values()] });
  }

  /** Whether more are due. */
  #sendDue(): boolean {
    const { window, publishers } = this.#task;
    const now = sharedNow();
    const due = this.#profile.dueAt(now - this.#startedAt);
    for (let count = 0; this.#next < due && this.#inFlight < window; count++) {
      if (count === BURST_MAX) return true;
      if (this.#planned.length === 0) this.#planAhead(now);
      this.#send(this.#planned.shift()!, now);
      this.#next += publishers;
    }
    this.#planAhead(now);
    return false;
  }

  #planAhead(now: number): void {
    const soon = this.#profile.dueAt(now + AHEAD_MS - this.#startedAt);
    while (this.#planNext < soon && this.#planned.length < AHEAD_MAX) this.#planBlock();
  }

  /** One event; of numbered ones as many as may change places: numbers come in disorder, each at a moment of the schedule. */
  #planBlock(): void {
    const { publishers, index } = this.#task;
    const plans: PlannedEvent[] = [];
    const places: number[] = [];
    for (; this.#planNext < this.#profile.total && plans.length < this.#blockEvents; ) {
      const plan = this.#maker.plan(this.#planNext);
      if (this.#planNext % publishers === index) {
        const at = Math.floor(this.#shuffle.next() * (plans.length + 1));
        plans.push(plan);
        places.push(this.#planNext);
        if (this.#isNumbered) [plans[at], plans[plans.length - 1]] = [plan, plans[at]!];
      }
      this.#planNext += this.#isNumbered ? 1 : publishers;
    }
    for (const [at, plan] of plans.entries()) this.#planned.push(this.#scheduled(plan, places[at]!));
  }

  #scheduled(plan: PlannedEvent, n: number): ScheduledEvent {
    const { partitions, samples, events } = this.#task;
    const scheduledAt = this.#startedAt + this.#profile.momentOf(n);
    const key = keyName(events, plan.keyNumber);
    const partition = partitionOf(key, partitions);
    const isSample = !plan.isRepeat && samples > 0 && scheduledAt >= this.#sampleAt;
    if (isSample) {
      this.#sampleAt = Math.max(this.#sampleAt + 1_000 / samples, scheduledAt);
      this.#tell({ kind: 'sample', sample: { key, id: plan.id, partition, scheduledAt } });
    }
    return { plan, key, partition, scheduledAt, isSample };
  }

  #send({ plan, key, partition, scheduledAt, isSample }: ScheduledEvent, now: number): void {
    const { publishSubject } = this.#task;
    // All publishers must say the same of a numbered event.
    const moment = this.#isNumbered ? this.#startEpochMs + this.#profile.momentOf(plan.content.n) : Date.now();
    const event = this.#maker.make(plan, moment);
    this.#inFlight++;
    this.#sent++;
    if (scheduledAt >= this.#measuredFrom) this.#sentMicros.push(micros(now - scheduledAt));
    const sent = this.#sink.append({
      subject: publishSubject.replace('{key}', () => tokenOfKey(key)),
      // The log would drop a repeat under the same id by itself; this one gets past it and reaches the application.
      id: event.isRepeat ? `${event.id}-again-${this.#task.index}-${this.#repeatsSent++}` : event.id,
      body: Buffer.from(event.body, 'latin1'),
      about: { key, partition, timeMs: event.time },
    });
    sent.then(
      (appended) => this.#settled(event, partition, scheduledAt, appended, isSample),
      (error: unknown) => this.#failed(error, isSample ? event.id : undefined),
    );
  }

  #settled(
    event: LoadEvent,
    partition: number,
    scheduledAt: number,
    { stream, sequence, duplicate }: Appended,
    isSample: boolean,
  ): void {
    this.#inFlight--;
    this.#acknowledged++;
    if (scheduledAt >= this.#measuredFrom) this.#acknowledgedMicros.push(micros(sharedNow() - scheduledAt));
    if (duplicate) this.#known++;
    if (event.isRepeat) {
      this.#repeats++;
      return;
    }
    const { keyNumber, id, time } = event;
    if (keyNumber < this.#task.countedKeys) {
      const { events = 0, newest = 0 } = this.#keys.get(keyNumber) ?? {};
      const counted = { keyNumber, events: events + 1, newest: Math.max(newest, time) };
      this.#keys.set(keyNumber, { ...counted, stream, sequence, partition });
    }
    if (isSample) this.#tell({ kind: 'stored', id, stored: { stream, sequence, at: sharedNow() } });
  }

  #failed(error: unknown, sample: string | undefined): void {
    this.#inFlight--;
    if (sample !== undefined) this.#tell({ kind: 'stored', id: sample, stored: undefined });
    const code = codeOf(error);
    this.#failures[code] = (this.#failures[code] ?? 0) + 1;
    // Trying again cannot help, and the person should be told at once.
    const isHopeless = errorTable[code].category === 'misuse' || code === 'BUG';
    if (!isHopeless || this.#isStopped) return;
    this.#isStopped = true;
    this.#tell({ kind: 'failed', code, message: messageOf(error) });
  }

  #report(): void {
    const tally = {
      ...{ sent: this.#sent, acknowledged: this.#acknowledged, repeats: this.#repeats, known: this.#known },
      failures: this.#failures,
      sentMicros: Uint32Array.from(this.#sentMicros),
      acknowledgedMicros: Uint32Array.from(this.#acknowledgedMicros),
    };
    this.#sent = this.#acknowledged = this.#repeats = this.#known = 0;
    this.#failures = {};
    this.#sentMicros = [];
    this.#acknowledgedMicros = [];
    this.#tell({ kind: 'tally', tally });
  }
}

/** How many events change places within the time by which they may come too early or too late. */
function blockOf({ profile, events, publishers }: PublishingTask): number {
  return Math.max(1, Math.min(BLOCK_MAX, Math.floor((profile.rate * events.disorderMs) / 1_000 / publishers)));
}

interface ScheduledEvent {
  readonly plan: PlannedEvent;
  readonly key: string;
  readonly partition: number;
  readonly scheduledAt: number;
  readonly isSample: boolean;
}

const MICROS_MAX = 2 ** 32 - 1;
const micros = (ms: number): number => Math.min(MICROS_MAX, Math.max(0, Math.round(ms * 1_000)));
