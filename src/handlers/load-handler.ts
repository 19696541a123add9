/** From a handler's name or module path to the handler. Runs in the host thread. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Handler } from '../core/actor/handler.js';
import { MillraceError, messageOf } from '../errors.js';
import type { DefinedActor, HandlerOptions } from './define-actor.js';
import { ledger } from './ledger.js';
import { status } from './status.js';

const shipped: Readonly<Record<string, DefinedActor<never, never>>> = {
  status: status as DefinedActor<never, never>,
  ledger: ledger as DefinedActor<never, never>,
};

/**
 * `name` is `status`, `ledger`, or the path of a JavaScript module that exports one actor made with `defineActor`.
 * Throws MillraceError HANDLER_INVALID.
 */
export async function loadHandler(name: string, options: HandlerOptions): Promise<Handler> {
  const actor = Object.hasOwn(shipped, name) ? shipped[name] : await importActor(name);
  return (actor as DefinedActor).create(options);
}

async function importActor(path: string): Promise<DefinedActor> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  } catch (error) {
    throw new MillraceError('HANDLER_INVALID', `the handler module ${path} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const actors = [...new Set(Object.values(module).filter(isActor))];
  if (actors.length === 1) return actors[0]!;
  throw new MillraceError('HANDLER_INVALID', `the handler module ${path} exports ${actors.length} actors, not one`);
}

function isActor(value: unknown): value is DefinedActor {
  return typeof value === 'object' && value !== null && (value as DefinedActor).kind === 'millrace.actor';
}
