/**
 * What an OpenTelemetry SDK registers in each thread of a process that imports it, as little of it as a test needs:
 * spans go to the file `SPANS_FILE`, a line of JSON for each that ends.
 */
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import {
  type Link,
  propagation,
  type Span,
  type SpanContext,
  type SpanOptions,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';

export interface RecordedSpan {
  readonly name: string;
  readonly isMainThread: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** As `traceparent` would name them. */
  readonly links: readonly string[];
}

const FORM = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/;

const textOf = ({ traceId, spanId }: SpanContext): string => `00-${traceId}-${spanId}-01`;

/** The part of a span that is used. */
function spanOf(name: string, { attributes: first = {} }: SpanOptions): Span {
  const attributes: Record<string, unknown> = { ...first };
  const links: string[] = [];
  const span: Partial<Span> = {
    isRecording: () => true,
    addLink: ({ context }: Link) => {
      links.push(textOf(context));
      return span as Span;
    },
    setAttribute: (key, value) => {
      attributes[key] = value;
      return span as Span;
    },
    end: () => {
      const recorded: RecordedSpan = { name, isMainThread, attributes, links };
      appendFileSync(process.env.SPANS_FILE!, `${JSON.stringify(recorded)}\n`);
    },
  };
  return span as Span;
}

trace.setGlobalTracerProvider({
  getTracer: () => ({ startSpan: (name: string, options: SpanOptions = {}) => spanOf(name, options) }) as Tracer,
});

propagation.setGlobalPropagator({
  inject: () => undefined,
  extract: (context, carrier, getter) => {
    const [, traceId, spanId] = FORM.exec(String(getter.get(carrier, 'traceparent') ?? '')) ?? [];
    if (traceId === undefined || spanId === undefined) return context;
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
  },
  fields: () => ['traceparent'],
});
