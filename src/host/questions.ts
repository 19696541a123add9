/**
 * What a person asks of a partition: explanations, quarantined keys, dead letters. Changes go through the actor and
 * the next commit like everything else, so they are fenced, atomic and in order; the answer comes when they are durable.
 */
import type { Actor } from '../core/actor/actor.js';
import type { DeadLetter } from '../core/checkpoint/commit.js';
import type { Rejection } from '../core/event/reject.js';
import { MillraceError } from '../errors.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { Clock } from '../ports/clock.js';
import { faultOf } from '../protocol/fault.js';
import type { Answer, Question } from '../protocol/messages.js';
import { pause } from '../retrying.js';
import type { EventDecoder } from './event-decoder.js';
import type { HostedPartition } from './hosted-partition.js';

export interface QuestionDependencies {
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly decoder: EventDecoder;
}

/** The state of a key is loaded within this time, or the question fails. */
const LOAD_MS_MAX = 5_000;
const LOAD_POLL_MS = 10;

/** Answers a question; errors become a fault. */
export async function answer(
  partition: HostedPartition | undefined,
  question: Question,
  deps: QuestionDependencies,
): Promise<Answer> {
  try {
    if (partition?.operable === undefined)
      throw new MillraceError('NOT_FOUND', 'the partition is not running here; its reason stands in the status');
    return await answerOn(partition, partition.operable, question, deps);
  } catch (error) {
    return { kind: 'fault', fault: faultOf(error) };
  }
}

async function answerOn(
  partition: HostedPartition,
  actor: Actor,
  question: Question,
  deps: QuestionDependencies,
): Promise<Answer> {
  switch (question.kind) {
    case 'explain':
      return { kind: 'explanation', explanation: actor.explain(question.id) };
    case 'quarantined': {
      const keys = actor.quarantined().map(({ key, quarantine, parked }) => ({ key, ...quarantine, parked }));
      return { kind: 'quarantined', keys };
    }
    case 'release':
    case 'skip': {
      const { key, kind } = question;
      return changed(partition, await whenLoaded(deps.clock, () => actor.operate(key, { kind })));
    }
    case 'edit': {
      const { key, body } = question;
      const edit = (): ReturnType<Actor['operate']> => {
        const head = actor.quarantinedEvent(key);
        if (head === undefined) return 'not-found';
        return actor.operate(key, {
          kind: 'edit',
          ...deps.decoder.decodeStored(head.streamSequence, withBody(head, body)),
        });
      };
      return changed(partition, await whenLoaded(deps.clock, edit));
    }
    case 'discard-letter':
      await letterOf(partition, question.sequence, deps.store);
      actor.discard(question.sequence);
      return changed(partition, 'done');
    case 'replay-letter': {
      const letter = await letterOf(partition, question.sequence, deps.store);
      const stored = question.body === undefined ? letter : withBody(letter, question.body);
      const { raw, decoded } = deps.decoder.decodeStored(letter.sequence, stored);
      if (decoded.kind === 'rejected') throw refused(decoded.rejection);
      return changed(partition, await whenLoaded(deps.clock, () => replay(partition, actor, raw, decoded.event)));
    }
  }
}

function replay(partition: HostedPartition, actor: Actor, ...event: Parameters<Actor['replay']>): 'done' | 'loading' {
  const outcome = actor.replay(...event);
  partition.settle();
  if (outcome === 'done' || outcome === 'loading') return outcome;
  if (typeof outcome === 'object') throw refused(outcome);
  throw new MillraceError('REQUEST_INVALID', `key ${JSON.stringify(event[1].key)} is quarantined: release it first`);
}

function refused({ code, problems }: Rejection): MillraceError {
  return new MillraceError(code, `the event is refused again: ${problems.join('; ')}`, { problems });
}

function withBody<T extends { body: string; encoding: 'utf8' | 'base64' }>(stored: T, body: string): T {
  return { ...stored, body, encoding: 'utf8' };
}

async function letterOf(partition: HostedPartition, sequence: number, store: CheckpointStore): Promise<DeadLetter> {
  if (!(await partition.flush())) throw new MillraceError('NOT_FOUND', 'the partition has stopped');
  const [text] = await store.deadLetters(partition.partition, sequence - 1, 1);
  const letter = text === undefined ? undefined : (JSON.parse(text) as DeadLetter);
  if (letter?.sequence === sequence) return letter;
  throw new MillraceError('NOT_FOUND', `partition ${partition.partition} has no dead letter ${sequence}`);
}

async function whenLoaded<T>(clock: Clock, attempt: () => T | 'loading'): Promise<T> {
  const deadline = clock.elapsed() + LOAD_MS_MAX;
  for (;;) {
    const outcome = attempt();
    if (outcome !== 'loading') return outcome;
    if (clock.elapsed() > deadline) throw new MillraceError('REDIS_UNAVAILABLE', 'the state of the key was not loaded');
    await pause(clock, LOAD_POLL_MS);
  }
}

async function changed(
  partition: HostedPartition,
  outcome: 'done' | 'quarantined' | 'loading' | 'not-found',
): Promise<Answer> {
  if (outcome === 'not-found') throw new MillraceError('NOT_FOUND', 'the key is not quarantined');
  if (!(await partition.flush()))
    throw new MillraceError('FENCED', 'the partition stopped before the change was durable');
  return { kind: 'changed', again: outcome === 'quarantined' };
}
