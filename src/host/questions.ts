/**
 * What a person asks of a partition: explanations, quarantined keys, dead letters. Changes go through the actor and
 * the next commit like everything else, so they are fenced, atomic and in order; the answer comes when they are durable.
 *
 * Invariants
 * O1. Changes of one partition are made one after the other: two that were asked at once would both find the same
 *     dead letter, and apply it twice.
 * O2. What would be refused changes nothing: the original event stays where it is.
 * O3. An event belongs to the partition of its key, also when a person has written it.
 */
import type { Actor } from '../core/actor/actor.js';
import type { OperationOutcome, QuarantineAction } from '../core/actor/key-order.js';
import { type DeadLetter, parseDeadLetter } from '../core/checkpoint/commit.js';
import { decodeRecord } from '../core/checkpoint/record.js';
import { Decision } from '../core/dedupe/dedupe-index.js';
import type { Event, RawEvent } from '../core/event/event.js';
import type { Rejection } from '../core/event/reject.js';
import { partitionOf } from '../core/key/partition.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import { faultOf } from '../protocol/fault.js';
import type { Answer, Change, Question } from '../protocol/messages.js';
import { pause } from '../retrying.js';
import type { EventDecoder } from './event-decoder.js';
import type { EventWaits } from './event-waits.js';
import type { HostedPartition } from './hosted-partition.js';

export interface QuestionDependencies {
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly decoder: EventDecoder;
  readonly waits: EventWaits;
}

/** The state of a key is loaded within this time, or the question fails. */
const LOAD_MS_MAX = 5_000;
const LOAD_POLL_MS = 10;

/** O1: the end of the last change of each partition. */
const lastChanges = new WeakMap<HostedPartition, Promise<unknown>>();

/** Answers a question; errors become a fault. */
export async function answer(
  partition: HostedPartition | undefined,
  question: Question,
  deps: QuestionDependencies,
): Promise<Answer> {
  try {
    const actor = operableOf(partition);
    switch (question.kind) {
      case 'explain':
        return { kind: 'explanation', explanation: actor.explain(question.id) };
      case 'await':
        return await deps.waits.wait(partition!, actor, question);
      case 'quarantined': {
        const keys = actor.quarantined().map(({ key, quarantine, parked }) => ({ key, ...quarantine, parked }));
        return { kind: 'quarantined', keys };
      }
      case 'inspect':
        return { kind: 'inspection', inspection: actor.inspect(question.key) };
      default:
        return await inTurn(partition!, () => new Desk(partition!, deps).change(question));
    }
  } catch (error) {
    return { kind: 'fault', fault: faultOf(error) };
  }
}

function operableOf(partition: HostedPartition | undefined): Actor {
  if (partition?.operable !== undefined) return partition.operable;
  throw new MillraceError('NODE_UNREACHABLE', 'the partition does not run here at the moment; the status says why');
}

function inTurn<T>(partition: HostedPartition, change: () => Promise<T>): Promise<T> {
  const turn = (lastChanges.get(partition) ?? Promise.resolve()).then(change);
  lastChanges.set(
    partition,
    turn.catch(() => undefined),
  );
  return turn;
}

/** One change of one partition, from the question to the commit that holds it. */
class Desk {
  readonly #partition: HostedPartition;
  readonly #deps: QuestionDependencies;
  readonly #actor: Actor;

  constructor(partition: HostedPartition, deps: QuestionDependencies) {
    this.#partition = partition;
    this.#deps = deps;
    this.#actor = operableOf(partition);
  }

  async change(question: Change): Promise<Answer> {
    switch (question.kind) {
      case 'release':
      case 'skip':
        return this.#operate(question.key, { kind: question.kind });
      case 'edit':
        return this.#operate(question.key, await this.#edited(question.key, question.body));
      case 'discard-letter':
        await this.#letter(question.sequence);
        this.#actor.discard(question.sequence);
        return this.#changed(false);
      case 'replay-letter':
        return this.#replay(await this.#letter(question.sequence), question.body);
    }
  }

  async #operate(key: string, action: QuarantineAction): Promise<Answer> {
    const before = this.#actor.halt;
    const outcome = await this.#whenReady(key, () => this.#actor.operate(key, action));
    const { halt } = this.#actor;
    if (outcome !== 'not-found') {
      const answered = await this.#changed(outcome === 'quarantined');
      if (halt === undefined || halt === before) return answered;
    } else if (halt === undefined)
      throw new MillraceError('NOT_FOUND', `key ${JSON.stringify(key)} is not quarantined`);
    throw new MillraceError(halt.code, `partition ${this.#partition.partition} has stopped: ${halt.problem}`);
  }

  /** O2, O3. Only content may change: place and numbers of the event are those under which the others wait behind it. */
  async #edited(key: string, body: string): Promise<QuarantineAction> {
    const head = this.#actor.quarantinedEvent(key);
    if (head === undefined) throw new MillraceError('NOT_FOUND', `key ${JSON.stringify(key)} is not quarantined`);
    const quarantine = this.#actor.quarantined().find((one) => one.key === key)?.quarantine;
    if (quarantine?.code === 'SEQUENCE_GAP')
      throw new MillraceError(
        'REQUEST_INVALID',
        'the key waits for a number that is missing, no event is wrong: publish it and release the key, or skip it',
      );
    const { raw, event } = this.#decode(head.streamSequence, withBody(head, body));
    const before = this.#deps.decoder.decodeStored(head.streamSequence, head).decoded;
    const problems = event.key === key ? [] : [`the key must stay ${JSON.stringify(key)}`];
    if (before.kind === 'event')
      for (const part of ['time', 'sequence'] as const)
        if (event[part] !== before.event[part]) problems.push(`the ${part} must stay ${before.event[part] ?? 'unset'}`);
    if (problems.length > 0)
      throw new MillraceError('REQUEST_INVALID', `an edit changes only the content: ${problems.join('; ')}`, {
        problems,
      });
    await this.#checkPlace(key);
    if (before.kind !== 'event') this.#checkId(event, head.streamSequence);
    return { kind: 'edit', raw, decoded: { kind: 'event', event } };
  }

  async #replay(letter: DeadLetter, body: string | undefined): Promise<Answer> {
    const { sequence } = letter;
    const { raw, event } = this.#decode(sequence, body === undefined ? letter : withBody(letter, body));
    await this.#checkPlace(event.key);
    this.#checkId(event, sequence);
    const outcome = await this.#whenReady(event.key, () => this.#actor.replay(raw, event));
    if (typeof outcome === 'object') throw refused(outcome);
    if (outcome === 'quarantined')
      throw new MillraceError('REQUEST_INVALID', `key ${JSON.stringify(event.key)} is quarantined: release it first`);
    return this.#changed(false);
  }

  #decode(sequence: number, stored: Stored): { raw: RawEvent; event: Event } {
    const { raw, decoded } = this.#deps.decoder.decodeStored(sequence, stored);
    if (decoded.kind === 'rejected') throw refused(decoded.rejection);
    return { raw, event: decoded.event };
  }

  /** An id that a person has written, or that came again after its horizon, must not be applied a second time. */
  #checkId(event: Event, sequence: number): void {
    const known = this.#actor.knownAs(event);
    if (known === undefined) return;
    const { streamSequence, decision } = known;
    if (streamSequence !== sequence) {
      const message = `event ${streamSequence} of the stream has the id ${JSON.stringify(event.id)} already, so this would be a duplicate`;
      throw new MillraceError('REQUEST_INVALID', message);
    }
    if (decision !== Decision.applied) return;
    const message = `event ${sequence} has been applied since: what waits is left of a checkpoint that was lost, and can be skipped`;
    throw new MillraceError('REQUEST_INVALID', message);
  }

  /** O3. A subject may name a partition that is not the key's; such an event is a dead letter for good. */
  async #checkPlace(key: string): Promise<void> {
    const { partition } = this.#partition;
    const stored = await this.#deps.store.read(partition);
    const decoded = stored === undefined ? undefined : decodeRecord(stored.record);
    if (decoded?.kind !== 'record')
      throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: its record cannot be read`);
    const own = partitionOf(key, decoded.record.layout.partitions);
    if (own === partition) return;
    const message = `key ${JSON.stringify(key)} belongs to partition ${own}, the event lies in ${partition}`;
    throw new MillraceError('EVENT_KEY_INVALID', message);
  }

  /** A stored dead letter; those of this moment are stored first. */
  async #letter(sequence: number): Promise<DeadLetter> {
    const { partition } = this.#partition;
    await this.#flush();
    const [text] = await this.#deps.store.deadLetters(partition, sequence - 1, 1);
    const letter = text === undefined ? undefined : parseDeadLetter(text);
    if (text !== undefined && letter === undefined)
      throw new MillraceError('CORRUPT_CHECKPOINT', `partition ${partition}: a dead letter cannot be read`);
    if (letter?.sequence !== sequence)
      throw new MillraceError('NOT_FOUND', `partition ${partition} has no dead letter ${sequence}`);
    // It would be dealt with now, and its event decided, perhaps applied, when the partition comes to it.
    if (!this.#actor.hasDecided(sequence))
      throw new MillraceError(
        'REQUEST_INVALID',
        `the letter is left of a checkpoint that was lost, and event ${sequence} will be decided once more: ask again when partition ${partition} has read it`,
      );
    return letter;
  }

  /** Tries until the key's state is here and no event is held that belongs before. */
  async #whenReady(key: string, attempt: () => OperationOutcome | Rejection): Promise<Settled | Rejection> {
    const { clock } = this.#deps;
    const deadline = clock.elapsed() + LOAD_MS_MAX;
    for (let isAsked = false; ; ) {
      const outcome = attempt();
      if (outcome !== 'loading' && outcome !== 'held') return outcome;
      if (clock.elapsed() > deadline) throw notReady(key, outcome);
      if (outcome === 'held' || isAsked) await pause(clock, LOAD_POLL_MS);
      else {
        isAsked = true;
        await this.#load(key);
      }
    }
  }

  /** Asks for the key's state; one that has stopped loads nothing by itself any more. */
  async #load(key: string): Promise<void> {
    this.#partition.settle();
    if (!this.#partition.isFull) return;
    const [state] = await this.#deps.store.loadStates(this.#partition.partition, [key]);
    this.#actor.loaded(key, state);
  }

  async #changed(again: boolean): Promise<Answer> {
    this.#partition.settle();
    await this.#flush();
    return { kind: 'changed', again };
  }

  async #flush(): Promise<void> {
    if (await this.#partition.flush()) return;
    throw new MillraceError('FENCED', 'the partition stopped before the change was known to be durable');
  }
}

type Stored = Parameters<EventDecoder['decodeStored']>[1];

type Settled = Exclude<OperationOutcome, 'loading' | 'held'>;

function notReady(key: string, obstacle: 'loading' | 'held'): MillraceError {
  const name = JSON.stringify(key);
  if (obstacle === 'loading') return new MillraceError('REDIS_UNAVAILABLE', `the state of key ${name} was not loaded`);
  const message = `older events of key ${name} are held until the watermark passes them: ask again then`;
  return new MillraceError('REQUEST_INVALID', message);
}

function refused({ code, problems }: Rejection): MillraceError {
  return new MillraceError(code, `the event is refused again: ${problems.join('; ')}`, { problems });
}

function withBody(stored: Stored, body: string): Stored {
  return { ...stored, body, encoding: 'utf8', wholeBytes: undefined };
}
