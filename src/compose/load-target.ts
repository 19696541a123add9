/** Where a load goes: JetStream itself, or a node's HTTP API. Part of the composition root. */
import { connectNats, type NatsOptions } from '../adapters/nats/connect-nats.js';
import { JetStreamSink } from '../adapters/nats/jetstream-sink.js';
import { HttpEventSink } from '../client/http-event-sink.js';
import type { EventSink } from '../ports/event-log.js';

/** Plain data, so that it crosses a process edge. */
export type LoadTarget =
  | { readonly kind: 'nats'; readonly nats: NatsOptions; readonly stream: string | undefined }
  | { readonly kind: 'http'; readonly url: string; readonly token: string | undefined };

export interface OpenTarget {
  readonly sink: EventSink;
  close(): Promise<void>;
}

/** How long the first connection may take, ms. */
const CONNECT_MS = 5_000;
/** An answer that takes longer is a failure. */
const ANSWER_MS = 30_000;

/** Connects. Throws `NATS_REFUSED` and, after some seconds, `NATS_UNREACHABLE`; of HTTP the first event tells. */
export async function openLoadTarget(target: LoadTarget): Promise<OpenTarget> {
  if (target.kind === 'http') return { sink: new HttpEventSink(target), close: async () => undefined };
  const { nats, stream } = target;
  const connection = await connectNats(nats, 'millrace-load', () => undefined, AbortSignal.timeout(CONNECT_MS));
  const sink = new JetStreamSink(connection, { timeoutMs: ANSWER_MS, stream });
  return {
    sink,
    close: async () => {
      sink.close();
      await connection.close();
    },
  };
}
