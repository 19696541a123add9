/** The public way to write a handler. */
import type { ApplyContext, Handler } from '../core/actor/handler.js';
import type { Event } from '../core/event/event.js';
import { MillraceError } from '../errors.js';

/** What `defineActor` takes. `S` is the state of one key (plain JSON data), `D` the `data` of an event. */
export interface ActorDefinition<S, D> {
  /** Shown in logs and errors. */
  readonly name: string;
  /** State of a key before its first event. */
  initial(key: string): S;
  /** The next state. Synchronous and deterministic: no clock, no randomness, no I/O; `state` is frozen. */
  apply(state: S, event: Event<D>, context: ApplyContext): S;
}

/** Options that a handler was started with: `handlerOptions` of the configuration. */
export type HandlerOptions = Readonly<Record<string, unknown>>;

/** What `defineActor` returns and a handler module exports. */
export interface DefinedActor<S = unknown, D = unknown> {
  readonly kind: 'millrace.actor';
  create(options: HandlerOptions): Handler<S, D>;
}

/**
 * Defines what happens to a key's state when an event comes.
 *
 * Give a definition, or a function that makes one from `handlerOptions` (throw there on options you do not know).
 * Errors thrown by `apply` turn that event into a dead letter and leave the state as it was.
 */
export function defineActor<S, D = unknown>(definition: ActorDefinition<S, D>): DefinedActor<S, D>;
export function defineActor<S, D = unknown>(
  definition: (options: HandlerOptions) => ActorDefinition<S, D>,
): DefinedActor<S, D>;
export function defineActor<S, D>(
  definition: ActorDefinition<S, D> | ((options: HandlerOptions) => ActorDefinition<S, D>),
): DefinedActor<S, D> {
  return {
    kind: 'millrace.actor',
    create(options) {
      const made = typeof definition === 'function' ? definition(options) : definition;
      if (typeof definition !== 'function' && Object.keys(options).length > 0)
        throw new MillraceError('HANDLER_INVALID', `the handler ${made.name} takes no options`);
      const problems = problemsOf(made);
      if (problems.length > 0) throw new MillraceError('HANDLER_INVALID', problems.join('; '), { problems });
      return made;
    },
  };
}

function problemsOf(made: { name?: unknown; initial?: unknown; apply?: unknown } | undefined): string[] {
  const problems: string[] = [];
  if (typeof made?.name !== 'string' || made.name === '') problems.push('an actor needs a name');
  if (typeof made?.initial !== 'function') problems.push('an actor needs initial(key)');
  if (typeof made?.apply !== 'function') problems.push('an actor needs apply(state, event, context)');
  return problems;
}
