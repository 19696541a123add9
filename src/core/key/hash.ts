/**
 * The two hashes that stored data depends on. They run over UTF-8 bytes, never over UTF-16 units, so that any
 * client in any language, and the NATS server's own `partition()`, computes the same.
 *
 * Sources: FNV-1a 32 by Fowler, Noll and Vo; MurmurHash3 x86_128 by Austin Appleby (public domain).
 */
import { unitAt } from './text-unit.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a 32 over `bytes[from, to)`, as an unsigned 32-bit number. */
export function fnv1a32Bytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = FNV_OFFSET;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return hash >>> 0;
}

/** FNV-1a 32 over the UTF-8 bytes of `text`, as an unsigned 32-bit number. */
export function fnv1a32(text: string): number {
  for (let i = 0; i < text.length; i++) {
    if (unitAt(text, i) > 0x7f) {
      const bytes = utf8(text);
      return fnv1a32Bytes(bytes, 0, bytes.length);
    }
  }
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ unitAt(text, i), FNV_PRIME);
  return hash >>> 0;
}

/** UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD, as every encoder does. */
export function utf8(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 3);
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code < 0x80) {
      out[n++] = code;
    } else if (code < 0x800) {
      out[n++] = 0xc0 | (code >> 6);
      out[n++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      const unit = code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
      out[n++] = 0xe0 | (unit >> 12);
      out[n++] = 0x80 | ((unit >> 6) & 0x3f);
      out[n++] = 0x80 | (unit & 0x3f);
    } else {
      out[n++] = 0xf0 | (code >> 18);
      out[n++] = 0x80 | ((code >> 12) & 0x3f);
      out[n++] = 0x80 | ((code >> 6) & 0x3f);
      out[n++] = 0x80 | (code & 0x3f);
      i++;
    }
  }
  return out.subarray(0, n);
}

/** The words that the last `murmur128` call produced. Reused between calls: copy before the next one. */
export const murmurWords = new Uint32Array(4);

/** Where `murmur128` puts the bytes of short texts, as keys and ids are. */
const shortBytes = new Uint8Array(1024);
const shortView = new DataView(shortBytes.buffer);

/** MurmurHash3 x86_128 over the UTF-8 bytes of `text`; the result is left in `murmurWords`. */
export function murmur128(text: string, seed: number): void {
  const { length } = text;
  if (length > shortBytes.length) {
    murmurEncoded(text, seed);
    return;
  }
  for (let i = 0; i < length; i++) {
    const unit = unitAt(text, i);
    if (unit > 0x7f) {
      murmurEncoded(text, seed);
      return;
    }
    shortBytes[i] = unit;
  }
  murmur(shortView, 0, length, seed);
}

/** The same over `bytes[from, from + length)`. */
export function murmur128Bytes(bytes: DataView, from: number, length: number, seed: number): void {
  murmur(bytes, from, length, seed);
}

function murmurEncoded(text: string, seed: number): void {
  const bytes = utf8(text);
  murmur(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, seed);
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r));

function fmix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Mixes two 32-bit words into one with full avalanche. */
export function mix32(a: number, b: number): number {
  return fmix(a ^ Math.imul(rotl(b, 15), C2)) >>> 0;
}

/** Over `length` bytes of `bytes` from `from` on. */
function murmur(bytes: DataView, from: number, length: number, seed: number): void {
  let h1 = seed;
  let h2 = seed;
  let h3 = seed;
  let h4 = seed;
  const blocks = from + length - (length % 16);
  for (let i = from; i < blocks; i += 16) {
    h1 ^= Math.imul(rotl(Math.imul(bytes.getInt32(i, true), C1), 15), C2);
    h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotl(Math.imul(bytes.getInt32(i + 4, true), C2), 16), C3);
    h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotl(Math.imul(bytes.getInt32(i + 8, true), C3), 17), C4);
    h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotl(Math.imul(bytes.getInt32(i + 12, true), C4), 18), C1);
    h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  const tail = length % 16;
  let k1 = 0;
  let k2 = 0;
  let k3 = 0;
  let k4 = 0;
  for (let i = tail - 1; i >= 0; i--) {
    const shifted = bytes.getUint8(blocks + i) << ((i & 3) * 8);
    if (i >= 12) k4 ^= shifted;
    else if (i >= 8) k3 ^= shifted;
    else if (i >= 4) k2 ^= shifted;
    else k1 ^= shifted;
  }
  if (tail > 12) h4 ^= Math.imul(rotl(Math.imul(k4, C4), 18), C1);
  if (tail > 8) h3 ^= Math.imul(rotl(Math.imul(k3, C3), 17), C4);
  if (tail > 4) h2 ^= Math.imul(rotl(Math.imul(k2, C2), 16), C3);
  if (tail > 0) h1 ^= Math.imul(rotl(Math.imul(k1, C1), 15), C2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = fmix(h1);
  h2 = fmix(h2);
  h3 = fmix(h3);
  h4 = fmix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  murmurWords[0] = h1;
  murmurWords[1] = h2 + h1;
  murmurWords[2] = h3 + h1;
  murmurWords[3] = h4 + h1;
}

/** 32-bit hash of a body's UTF-8 bytes, for "same id, other body". */
export function bodyHash(text: string): number {
  const bytes = utf8(text);
  return bodyHashOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
}

/** The same over `bytes[from, to)`: two lanes of four bytes, because each step waits for the one before. */
export function bodyHashOf(bytes: DataView, from: number, to: number): number {
  let a = to - from;
  let b = C1;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    a = Math.imul(a ^ bytes.getInt32(at, true), C2);
    b = Math.imul(b ^ bytes.getInt32(at + 4, true), C4);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  for (; at < to; at++) a = Math.imul(rotl(a, 7) ^ bytes.getUint8(at), C3);
  return fmix(a ^ rotl(fmix(b), 15)) >>> 0;
}
