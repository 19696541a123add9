/**
 * The span of a batch, for whoever has registered an OpenTelemetry SDK in this thread: from the first event that is
 * taken in to the last, with links to the traces of its events. Its events belong to many traces, so it is a root.
 *
 * Without an SDK, and where the sampler says no, it costs one span that does nothing per batch (under 0.2 µs); then no
 * header is looked at.
 */
import type { Buffer } from 'node:buffer';
import { propagation, ROOT_CONTEXT, type Span, SpanKind, type TextMapGetter, trace } from '@opentelemetry/api';
import { headerOf } from '../core/event/header-block.js';
import { headerText } from './event-decoder.js';

/** Traces that a span is linked to: the first ones of its batch. SDKs keep 128 by default. */
const LINKS_MAX = 64;

const tracer = trace.getTracer('millrace');

const headerBlock: TextMapGetter<string> = {
  get: (block, name) => headerOf(block, name.toLowerCase()),
  keys: (block) => [...block.matchAll(/^([^:\s]+):/gm)].map(([, name]) => name!),
};

export class BatchSpan {
  readonly #span: Span;
  /** Trace and span of each link: one request may send many events. */
  readonly #linked = new Set<string>();
  #taken = 0;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Undefined where nobody records it. */
  static start(stream: string, slot: number): BatchSpan | undefined {
    const attributes = {
      'messaging.destination.name': stream,
      'messaging.operation.type': 'process',
      'millrace.slot': slot,
    };
    const span = tracer.startSpan(`process ${stream}`, { kind: SpanKind.CONSUMER, root: true, attributes });
    return span.isRecording() ? new BatchSpan(span) : undefined;
  }

  /** An event with these header bytes is taken in. */
  took(headers: Buffer): void {
    this.#taken++;
    if (headers.length === 0 || this.#linked.size === LINKS_MAX) return;
    const traced = propagation.extract(ROOT_CONTEXT, headerText(headers), headerBlock);
    const context = trace.getSpanContext(traced);
    if (context === undefined) return;
    const link = `${context.traceId}-${context.spanId}`;
    if (this.#linked.has(link)) return;
    this.#linked.add(link);
    this.#span.addLink({ context });
  }

  end(): void {
    this.#span.setAttribute('messaging.batch.message_count', this.#taken);
    this.#span.end();
  }
}
