/**
 * Runs the handler for one event: the state changes only if everything went well, and what it emitted counts only then.
 */
import type { Output } from '../checkpoint/commit.js';
import type { Rejection } from '../event/reject.js';
import { traceOf } from '../event/trace-context.js';
import type { Arrival } from './arrival.js';
import type { ApplyContext, Handler } from './handler.js';
import type { KeyedState } from './keyed-state.js';
import { freezeState } from './state-value.js';

const SUBJECT = /^[^\s.*>\u0000-\u001f\u007f]+(?:\.[^\s.*>\u0000-\u001f\u007f]+)*$/;

export class Folding {
  readonly #handler: Handler;
  readonly #state: KeyedState;
  readonly #prefix: string;
  readonly #context: { -readonly [P in keyof ApplyContext]: ApplyContext[P] };
  #emitted: { subject: string; data: unknown }[] = [];
  #folding = false;

  /** `prefix` begins the ids of outputs: `app.partition`. */
  constructor(handler: Handler, state: KeyedState, prefix: string, partition: number) {
    this.#handler = handler;
    this.#state = state;
    this.#prefix = prefix;
    this.#context = { partition, streamSequence: 0, emit: (subject, data) => this.#emit(subject, data) };
  }

  /** Applies the event to its key's state. Returns why it could not, and then nothing has changed. */
  apply({ row, event, streamSequence }: Arrival): Rejection | undefined {
    this.#context.streamSequence = streamSequence;
    this.#folding = true;
    if (this.#emitted.length > 0) this.#emitted = [];
    try {
      const isNew = this.#state.applied(row) === 0;
      const before = isNew ? this.#handler.initial(event.key) : this.#state.state(row);
      let problem = isNew && before !== undefined ? freezeState(before, 'initial state') : undefined;
      if (problem === undefined) {
        const next = this.#handler.apply(before, event, this.#context);
        problem = freezeState(next, 'state', before);
        if (problem === undefined) this.#state.setState(row, next);
      }
      if (problem === undefined) return undefined;
      return { code: 'STATE_INVALID', problems: [`${this.#handler.name}: ${problem}`] };
    } catch (error) {
      return { code: 'HANDLER_THREW', problems: [`${this.#handler.name}: ${describe(error)}`] };
    } finally {
      this.#folding = false;
    }
  }

  /** Whether the last applied event emitted something. */
  get hasOutputs(): boolean {
    return this.#emitted.length > 0;
  }

  /** Hands what the last applied event emitted to `add`, under ids that every replay repeats. */
  outputs({ streamSequence, raw }: Arrival, add: (output: Output) => void): void {
    const trace = traceOf(raw.headers);
    for (let index = 0; index < this.#emitted.length; index++)
      add({ id: `${this.#prefix}.${streamSequence}.${index}`, ...this.#emitted[index]!, trace });
  }

  #emit(subject: string, data: unknown): void {
    // Later it would become an output of whatever event is then applied, under an id that a replay gives to another.
    if (!this.#folding) throw new TypeError('emit: only while `apply` runs');
    if (!SUBJECT.test(subject)) throw new TypeError(`emit: ${JSON.stringify(subject)} is not a subject to publish to`);
    const problem = freezeState(data, 'data');
    if (problem !== undefined) throw new TypeError(`emit: ${problem}`);
    this.#emitted.push({ subject, data });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
