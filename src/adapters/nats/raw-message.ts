/**
 * The bytes of a message as the client library has them, before it makes strings of subject and reply.
 *
 * The public getters decode to strings, which costs more than everything else the main thread does per event. The
 * fields below are the library's own; its version is pinned, and a test with the real library holds this shape.
 */
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { createInbox } from '@nats-io/nats-core';
import type { Frame } from './frame-cutter.js';

interface LibraryMessage {
  readonly _msg: { readonly subject: Uint8Array; readonly reply?: Uint8Array; readonly hdr: number };
  readonly _rdata: Uint8Array | undefined;
}

interface LibraryConnection {
  readonly options: { readonly inboxPrefix?: string };
}

const NOTHING = new Uint8Array(0);

/** The message as the frame that it came in. */
export function frameOf(message: Msg): Frame {
  const { _msg, _rdata = NOTHING } = message as unknown as LibraryMessage;
  const reply = _msg.reply ?? NOTHING;
  const headerBytes = Math.max(_msg.hdr, 0);
  return {
    subject: _msg.subject,
    bytes: reply,
    replyAt: 0,
    replyEnd: reply.length,
    headers: headerBytes > 0 ? _rdata.subarray(0, headerBytes) : undefined,
    body: headerBytes > 0 ? _rdata.subarray(headerBytes) : _rdata,
  };
}

/** A new inbox with the prefix that the connection was made with, which the library keeps to itself. */
export function inboxOf(connection: NatsConnection): string {
  return createInbox((connection as unknown as LibraryConnection).options.inboxPrefix);
}
