/**
 * The bytes of a message as the client library has them, before it makes strings of subject and reply.
 *
 * The public getters decode to strings, which costs more than everything else the main thread does per event. The
 * fields below are the library's own; its version is pinned, and a test with the real library holds this shape.
 */
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { createInbox } from '@nats-io/nats-core';

interface LibraryMessage {
  readonly _msg: { readonly subject: Uint8Array; readonly reply?: Uint8Array; readonly hdr: number };
  readonly _rdata: Uint8Array | undefined;
}

interface LibraryConnection {
  readonly options: { readonly inboxPrefix?: string };
}

const NOTHING = new Uint8Array(0);

export function subjectBytes(message: Msg): Uint8Array {
  return (message as unknown as LibraryMessage)._msg.subject;
}

export function replyBytes(message: Msg): Uint8Array | undefined {
  return (message as unknown as LibraryMessage)._msg.reply;
}

/** Header block with its version line, or undefined. */
export function headerBytes(message: Msg): Uint8Array | undefined {
  const { _msg, _rdata } = message as unknown as LibraryMessage;
  return _msg.hdr > 0 ? _rdata?.subarray(0, _msg.hdr) : undefined;
}

export function bodyBytes(message: Msg): Uint8Array {
  const { _msg, _rdata } = message as unknown as LibraryMessage;
  if (_rdata === undefined) return NOTHING;
  return _msg.hdr > 0 ? _rdata.subarray(_msg.hdr) : _rdata;
}

/** A new inbox with the prefix that the connection was made with, which the library keeps to itself. */
export function inboxOf(connection: NatsConnection): string {
  return createInbox((connection as unknown as LibraryConnection).options.inboxPrefix);
}
