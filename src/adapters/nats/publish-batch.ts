/**
 * Publications as the bytes of the protocol, those of one turn in one piece. The library makes a header object, four arrays of bytes
 * and a write order of each.
 *
 * Owns bytes that were not sent yet. Does not own what cannot be written as it stands: the library refuses it, or encodes it.
 *
 * Source: NATS client protocol, HPUB.
 */
import { Buffer } from 'node:buffer';
import type { NatsConnection } from '@nats-io/nats-core';

const CHUNK_BYTES = 64 * 1024;
const CR = 0x0d;
const LF = 0x0a;
/** The library cuts white space off both ends of a value. */
const PLAIN_VALUE = /^[!-~](?:[ -~]*[!-~])?$/;
const PLAIN_SUBJECT = /^[!-~]+$/;
/** No colon, which ends a name. */
const PLAIN_NAME = /^[!-9;-~]+$/;

/** The library's own field; its version is pinned, and the tests with a real server hold this shape. */
interface LibraryConnection {
  readonly protocol: { sendCommand(bytes: Uint8Array): void };
}

export class PublishBatch {
  readonly #connection: NatsConnection;
  #bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #from = 0;
  #to = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Adds an event; false where the library has to send it, after what was added before. */
  add(subject: string, reply: string, headers: readonly (readonly [string, string])[], body: Uint8Array): boolean {
    const { info } = this.#connection;
    if (info?.headers !== true || !PLAIN_SUBJECT.test(subject)) return false;
    let head = 'NATS/1.0\r\n';
    for (const [name, value] of headers) {
      if (!PLAIN_NAME.test(name) || !PLAIN_VALUE.test(value)) return false;
      head += `${name}: ${value}\r\n`;
    }
    head += '\r\n';
    const size = head.length + body.length;
    if (size > info.max_payload) return false;
    const text = `HPUB ${subject} ${reply} ${head.length} ${size}\r\n${head}`;
    this.#makeRoom(text.length + body.length + 2);
    const bytes = this.#bytes;
    this.#to += bytes.write(text, this.#to, 'latin1');
    bytes.set(body, this.#to);
    this.#to += body.length;
    bytes[this.#to++] = CR;
    bytes[this.#to++] = LF;
    return true;
  }

  /** Hands over what was added to the library, which writes it at the end of this turn. */
  send(): void {
    if (this.#to === this.#from) return;
    const { protocol } = this.#connection as unknown as LibraryConnection;
    protocol.sendCommand(this.#bytes.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  /** What was handed over is written some time later: its bytes are not used again. */
  #makeRoom(bytes: number): void {
    if (this.#to + bytes <= this.#bytes.length) return;
    this.send();
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes));
    this.#from = this.#to = 0;
  }
}
