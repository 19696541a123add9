/** Errors on their way to the main thread: plain data. */
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Fault } from './messages.js';

export function faultOf(error: unknown): Fault {
  const problems = error instanceof MillraceError ? error.problems : [];
  return { code: codeOf(error), message: messageOf(error), problems: [...problems] };
}

export function errorOf(fault: Fault): MillraceError {
  return new MillraceError(fault.code, fault.message, { problems: fault.problems });
}
