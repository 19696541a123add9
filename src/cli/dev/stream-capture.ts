/** The whole of a JetStream stream, read back by a plain consumer that shares nothing with the router. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

/** An event as the stream holds it. */
export interface CapturedEvent {
  readonly sequence: number;
  /** Which of several streams it is in; 0 by default. */
  readonly stream?: number;
  /** The stream's own time, epoch ms. */
  readonly streamTime: number;
  readonly subject: string;
  readonly body: string;
  header(name: string): string | undefined;
}

export interface Capture {
  /** First sequence that the stream still has. */
  readonly first: number;
  /** Last sequence that was read. */
  readonly last: number;
}

/** Hands every stored event to `take`, in order, up to the end that the stream has when it is called. */
export async function captureStream(
  connection: NatsConnection,
  stream: string,
  take: (event: CapturedEvent) => void,
): Promise<Capture> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { state } = await manager.streams.info(stream);
  const capture = { first: Math.max(state.first_seq, 1), last: state.last_seq };
  if (state.messages === 0) return capture;
  const consumer = await jetstream(connection).consumers.get(stream);
  try {
    const messages = await consumer.consume();
    for await (const message of messages) {
      const { seq: sequence, timestamp, subject, headers, info } = message;
      const header = (name: string): string | undefined => headers?.get(name) || undefined;
      take({ sequence, streamTime: Date.parse(timestamp), subject, body: message.string(), header });
      if (sequence >= capture.last || info.pending === 0) break;
    }
  } finally {
    await consumer.delete().catch(() => undefined); // it ends by itself when it is inactive
  }
  return capture;
}

/** The last sequence of each stream. */
export async function lastsOf(connection: NatsConnection, streams: readonly string[]): Promise<number[]> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return Promise.all(streams.map(async (stream) => (await manager.streams.info(stream)).state.last_seq));
}
