/**
 * The trace that an event belongs to, as W3C Trace Context writes it in headers: carried on with what its handler
 * emits, whether or not anybody records spans here. Not looked at otherwise.
 */
import { headerOf } from './header-block.js';

/** Headers by name. */
export type TraceContext = Readonly<Record<string, string>>;

const PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** Longer ones, or ones with other characters, need not be passed on. */
const STATE = /^[\x20-\x7e]{1,512}$/;

/** `traceparent` and `tracestate` of a header block, or undefined if it has no valid `traceparent`. */
export function traceOf(block: string | undefined): TraceContext | undefined {
  const traceparent = headerOf(block, 'traceparent');
  if (traceparent === undefined || !PARENT.test(traceparent)) return undefined;
  const tracestate = headerOf(block, 'tracestate');
  return tracestate === undefined || !STATE.test(tracestate) ? { traceparent } : { traceparent, tracestate };
}
