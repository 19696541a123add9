/** The first events of the stream, in order, for those who carry them elsewhere. */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { addCountingConsumer, STREAM } from './fill-stream.js';

export interface StreamEvent {
  readonly key: string;
  readonly body: string;
}

export async function* streamEvents(connection: NatsConnection, count: number): AsyncGenerator<StreamEvent> {
  const consumer = await jetstream(connection).consumers.get(STREAM, await addCountingConsumer(connection));
  let left = count;
  for await (const message of await consumer.consume({ max_messages: 2_000 })) {
    yield { key: message.subject.slice('events.'.length), body: message.string() };
    if (--left === 0) break;
  }
}
