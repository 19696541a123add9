/** Decodes one event alone, as it would be in a batch: for commands, where speed does not matter. */
import { Buffer } from 'node:buffer';
import { BatchReader, BatchWriter } from '../protocol/batch.js';
import type { DecodedRecord, EventDecoder } from './event-decoder.js';

export interface LoneEvent {
  readonly partition: number;
  readonly sequence: number;
  readonly timeMs: number;
  readonly subject: Uint8Array;
  readonly headers: Uint8Array | undefined;
  readonly body: Uint8Array;
}

const FRAME_BYTES = 64;

export function decodeOne(decoder: EventDecoder, event: LoneEvent): DecodedRecord {
  const { partition, sequence, timeMs, subject, headers, body } = event;
  const bytes = FRAME_BYTES + subject.length + (headers?.length ?? 0) + body.length;
  const writer = new BatchWriter(new ArrayBuffer(bytes));
  writer.add(partition, sequence, timeMs, subject, headers, body);
  const { buffer, length } = writer.take();
  const reader = new BatchReader(buffer, length);
  reader.next();
  return decoder.decode(Buffer.from(buffer), reader);
}
