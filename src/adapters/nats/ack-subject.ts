/**
 * What JetStream says of a delivered message in its reply subject:
 *   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
 *   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<token>]
 *
 * Read from bytes and in whole milliseconds plus nanoseconds: the 19 digits of the time do not fit a number.
 * Source: NATS ADR-15.
 */
export class AckSubject {
  streamSequence = 0;
  consumerSequence = 0;
  /** Whole epoch ms. */
  timeMs = 0;
  /** Nanoseconds below the millisecond. */
  timeNanos = 0;
  /** Messages that the consumer has still to deliver after this one. */
  pending = 0;
  #prefixBytes = 0;
  #at = 0;

  /** Reads `bytes[from, to)`; false if it is no acknowledgement subject. One instance serves one consumer. */
  read(bytes: Uint8Array, from = 0, to = bytes.length): boolean {
    if (this.#prefixBytes === 0) {
      this.#prefixBytes = prefixLength(bytes.subarray(from, to));
      if (this.#prefixBytes === 0) return false;
    }
    this.#at = from + this.#prefixBytes;
    this.#number(bytes, to); // deliveries: always 1 without acknowledgements
    this.streamSequence = this.#number(bytes, to);
    this.consumerSequence = this.#number(bytes, to);
    let end = this.#at;
    while (end < to && bytes[end] !== DOT) end++;
    this.timeMs = digits(bytes, this.#at, end - 6);
    this.timeNanos = digits(bytes, end - 6, end);
    this.#at = end + 1;
    this.pending = this.#number(bytes, to);
    return true;
  }

  #number(bytes: Uint8Array, to: number): number {
    let value = 0;
    let at = this.#at;
    for (; at < to && bytes[at] !== DOT; at++) value = value * 10 + (bytes[at]! - ZERO);
    this.#at = at + 1;
    return value;
  }
}

const DOT = 0x2e;
const ZERO = 0x30;

function digits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + (bytes[at]! - ZERO);
  return value;
}

/** Length of everything before the delivery count: the same for all messages of a consumer. */
function prefixLength(bytes: Uint8Array): number {
  const dots: number[] = [];
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === DOT) dots.push(at);
  const isAck = String.fromCharCode(...bytes.subarray(0, 8)) === '$JS.ACK.';
  if (!isAck || dots.length < 8) return 0;
  return (dots.length === 8 ? dots[3]! : dots[5]!) + 1;
}
