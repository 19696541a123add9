/**
 * Cuts the messages of some subscriptions out of the bytes of a connection, before the client library parses them.
 * The library looks at every byte of a control line and makes five objects of a message; here a message is where it
 * lies in the chunk. Everything else goes on to the library unchanged.
 *
 * Owns the place in the stream of frames, and the bytes of a frame that has not come as a whole. Does not own what a
 * subscription is: whoever has one says so.
 *
 * Invariants
 * F1. What is cut and what is passed on is together exactly what came, frame by frame and in order.
 * F2. A frame is cut as a whole or passed on as a whole, wherever the chunks of the socket end.
 * F3. Bytes that are not the protocol are passed on, from there to the end of the connection: the library knows what
 *     to do about them.
 *
 * Source: NATS client protocol, MSG and HMSG.
 */

/** A message as it lies in its chunk; valid during the call only. */
export interface Frame {
  readonly subject: Uint8Array;
  /** Where the reply subject lies in `bytes`; equal where there is none. */
  readonly bytes: Uint8Array;
  readonly replyAt: number;
  readonly replyEnd: number;
  /** Header block with its version line, or undefined. */
  readonly headers: Uint8Array | undefined;
  readonly body: Uint8Array;
}

export type FrameSink = (frame: Frame) => void;

const NONE: readonly Uint8Array[] = [];
const NOTHING = new Uint8Array(0);
/** The longest control line, INFO of a large cluster, has a few kB. */
const LINE_BYTES_MAX = 1024 * 1024;
const TOKENS_MAX = 5;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const G = 0x67;
const H = 0x68;
const M = 0x6d;
const S = 0x73;

export class FrameCutter {
  readonly #sinks = new Map<number, FrameSink>();
  /** Bytes from the start of a frame on that is not here as a whole, and how many it takes to go on. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #needed = 0;
  /** Bytes of a frame under way that belong to the library. */
  #passing = 0;
  #isBlind = false;
  // Of the control line that was read last.
  readonly #starts = new Int32Array(TOKENS_MAX);
  readonly #ends = new Int32Array(TOKENS_MAX);
  #tokens = 0;
  #hasHeaders = false;

  /** From now on the messages of the subscription with this number go to `sink`. */
  take(sid: number, sink: FrameSink): void {
    this.#sinks.set(sid, sink);
  }

  release(sid: number): void {
    this.#sinks.delete(sid);
  }

  /** Takes in the next bytes of the connection; returns those that are the library's. */
  cut(chunk: Uint8Array): readonly Uint8Array[] {
    if (this.#isBlind) return [chunk];
    const bytes = this.#joined(chunk);
    return bytes === undefined ? NONE : this.#frames(bytes);
  }

  /** The bytes to look at: the chunk with what is held before it; undefined while that is not enough. */
  #joined(chunk: Uint8Array): Uint8Array | undefined {
    // A plain array of bytes: parts of a Buffer cost more.
    const plain = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#heldBytes === 0) return plain;
    this.#held.push(plain);
    this.#heldBytes += plain.length;
    if (this.#heldBytes < this.#needed) return undefined;
    const joined = new Uint8Array(this.#heldBytes);
    let at = 0;
    for (const part of this.#held) {
      joined.set(part, at);
      at += part.length;
    }
    this.#held = [];
    this.#heldBytes = 0;
    return joined;
  }

  #frames(bytes: Uint8Array): readonly Uint8Array[] {
    const { length } = bytes;
    let passed: Uint8Array[] | undefined;
    let passFrom = 0;
    const pass = (to: number): void => {
      if (to === passFrom) return;
      passed ??= [];
      passed.push(bytes.subarray(passFrom, to));
    };
    let at = Math.min(this.#passing, length);
    this.#passing -= at;
    while (at < length) {
      const line = this.#line(bytes, at);
      if (line < 0) {
        if (length - at <= LINE_BYTES_MAX) {
          pass(at);
          this.#hold(bytes.subarray(at), length - at + 1);
          return passed ?? NONE;
        }
        this.#isBlind = true;
      }
      const size = this.#tokens === 0 ? 0 : this.#size(bytes);
      if (size < 0) this.#isBlind = true;
      if (this.#isBlind) break;
      const end = this.#tokens === 0 ? line : line + size + 2;
      const sink = this.#tokens === 0 ? undefined : this.#sinks.get(number(bytes, this.#starts[1]!, this.#ends[1]!));
      if (sink === undefined) {
        this.#passing = Math.max(0, end - length);
        at = Math.min(end, length);
        continue;
      }
      pass(at);
      if (end > length) {
        this.#hold(bytes.subarray(at), end - at);
        return passed ?? NONE;
      }
      passFrom = end;
      at = end;
      sink(this.#frame(bytes, line, size));
    }
    pass(length);
    return passed ?? NONE;
  }

  #hold(rest: Uint8Array, needed: number): void {
    this.#held.push(rest);
    this.#heldBytes = rest.length;
    this.#needed = needed;
  }

  /**
   * Reads the control line at `at`: where the payload begins, or −1 if the line is not here as a whole. Its tokens after
   * MSG or HMSG are noted; other lines have none.
   */
  #line(bytes: Uint8Array, at: number): number {
    this.#tokens = 0;
    const { length } = bytes;
    let from = at;
    this.#hasHeaders = (bytes[at]! | 0x20) === H;
    if (this.#hasHeaders) from++;
    if (from < length && (bytes[from]! | 0x20) !== M) {
      const end = bytes.indexOf(LF, at);
      return end < 0 ? -1 : end + 1;
    }
    if (from + 4 > length) return -1;
    const isMessage = (bytes[from + 1]! | 0x20) === S && (bytes[from + 2]! | 0x20) === G && isBlank(bytes[from + 3]!);
    let tokens = 0;
    let start = -1;
    for (let i = from + 4; i < length; i++) {
      const byte = bytes[i]!;
      if (byte > SPACE) {
        if (start < 0) start = i;
        continue;
      }
      if (start >= 0) {
        if (tokens < TOKENS_MAX) {
          this.#starts[tokens] = start;
          this.#ends[tokens] = i;
        }
        tokens++;
        start = -1;
      }
      if (byte === LF) {
        // What is no message, or none with as many parts as one has, is left to the library for good.
        const least = this.#hasHeaders ? 4 : 3;
        if (!isMessage || tokens < least || tokens > least + 1) this.#isBlind = true;
        this.#tokens = tokens;
        return i + 1;
      }
      if (byte !== CR && !isBlank(byte)) this.#isBlind = true;
    }
    return -1;
  }

  /** Bytes of the payload, −1 if the line does not say. */
  #size(bytes: Uint8Array): number {
    const last = this.#tokens - 1;
    const size = this.#isBlind ? -1 : number(bytes, this.#starts[last]!, this.#ends[last]!);
    if (!this.#hasHeaders || size < 0) return size;
    const headers = number(bytes, this.#starts[last - 1]!, this.#ends[last - 1]!);
    return headers >= 0 && headers <= size ? size : -1;
  }

  #frame(bytes: Uint8Array, payload: number, size: number): Frame {
    const last = this.#tokens - 1;
    const hasReply = this.#tokens === (this.#hasHeaders ? 5 : 4);
    const headerBytes = this.#hasHeaders ? number(bytes, this.#starts[last - 1]!, this.#ends[last - 1]!) : 0;
    return {
      subject: bytes.subarray(this.#starts[0]!, this.#ends[0]!),
      bytes,
      replyAt: hasReply ? this.#starts[2]! : 0,
      replyEnd: hasReply ? this.#ends[2]! : 0,
      headers: headerBytes > 0 ? bytes.subarray(payload, payload + headerBytes) : undefined,
      body: size > headerBytes ? bytes.subarray(payload + headerBytes, payload + size) : NOTHING,
    };
  }
}

const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB;

/** The decimal number in `bytes[from, to)`, −1 if it is none. */
function number(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return to > from && to - from <= 15 ? value : -1;
}
