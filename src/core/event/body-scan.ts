/**
 * Millrace's own body read from its bytes: where its parts are, without a string or an object for any of them.
 *
 * Nearly every event waits before it is applied, and what lives so long is what garbage collection is paid for. So
 * the parts that decide when and whether it is applied are read here, and the rest stays bytes until then.
 *
 * Invariants
 * N1. True means: `decodeEvent` would accept this body, with these parts. Anything unusual, wrong or not, is false,
 *     and `decodeEvent` says what it is: bytes outside printable ASCII, escapes, a part that comes twice, a time that
 *     is not a plain whole number, CloudEvents.
 * N2. The whole body is checked against the grammar of JSON (RFC 8259), so that parsing a part later cannot fail.
 */
import { KEY_BYTES_MAX } from '../key/key.js';
import { TIME_MAX } from './event.js';

/** Deeper ones are left to `decodeEvent`, which knows the limit. */
const LEVELS_MAX = 16;
/** Numbers of so many digits are exact. */
const DIGITS_MAX = 15;
const TYPE_BYTES_MAX = 256;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const nameBytes = (name: string): Uint8Array => Uint8Array.from(name, (unit) => unit.charCodeAt(0));
const ID = nameBytes('id');
const KEY = nameBytes('key');
const TIME = nameBytes('time');
const TYPE = nameBytes('type');
const DATA = nameBytes('data');
const SEQUENCE = nameBytes('sequence');
const SPECVERSION = nameBytes('specversion');
const TRUE = nameBytes('true');
const FALSE = nameBytes('false');
const NULL = nameBytes('null');

export class BodyScan {
  /** Epoch ms. */
  time = 0;
  sequence: number | undefined;
  /** Byte offsets of the parts, quotes left out; a start of −1 where there is none. */
  idAt = -1;
  idEnd = 0;
  typeAt = -1;
  typeEnd = 0;
  dataAt = -1;
  dataEnd = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #keyAt = 0;
  #keyEnd = 0;
  #hasKey = false;

  /** Reads the body in `bytes[from, to)` of an event whose key is `bytes[keyAt, keyEnd)`. See N1. */
  read(bytes: Uint8Array, from: number, to: number, keyAt: number, keyEnd: number): boolean {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    this.#keyAt = keyAt;
    this.#keyEnd = keyEnd;
    this.#hasKey = false;
    this.time = -1;
    this.sequence = undefined;
    this.idAt = -1;
    this.typeAt = -1;
    this.dataAt = -1;
    this.#space();
    if (!this.#object() || this.idAt < 0 || this.time < 0) return false;
    this.#space();
    return this.#at === to;
  }

  #object(): boolean {
    if (!this.#take(OPEN_BRACE)) return false;
    for (;;) {
      this.#space();
      const name = this.#at + 1;
      if (!this.#string()) return false;
      const length = this.#at - 1 - name;
      this.#space();
      if (!this.#take(COLON)) return false;
      this.#space();
      if (!this.#member(name, length)) return false;
      this.#space();
      if (this.#take(CLOSE_BRACE)) return true;
      if (!this.#take(COMMA)) return false;
    }
  }

  #member(name: number, length: number): boolean {
    switch (length) {
      case 2:
        return this.#is(name, ID) ? this.#readId() : this.#value(0);
      case 3:
        return this.#is(name, KEY) ? this.#readKey() : this.#value(0);
      case 4:
        if (this.#is(name, TIME)) return this.#readTime();
        if (this.#is(name, TYPE)) return this.#readType();
        return this.#is(name, DATA) ? this.#readData() : this.#value(0);
      case 8:
        return this.#is(name, SEQUENCE) ? this.#readSequence() : this.#value(0);
      case 11:
        return !this.#is(name, SPECVERSION) && this.#value(0);
      default:
        return this.#value(0);
    }
  }

  #readId(): boolean {
    if (this.idAt >= 0) return false;
    const at = this.#at + 1;
    if (!this.#string()) return false;
    this.idAt = at;
    this.idEnd = this.#at - 1;
    const length = this.idEnd - at;
    if (length === 0 || length > KEY_BYTES_MAX) return false;
    for (let i = at; i < this.idEnd; i++) if (this.#bytes[i] === 0x20) return false;
    return true;
  }

  /** The key may stand in the body too, if it is the same. */
  #readKey(): boolean {
    if (this.#hasKey) return false;
    this.#hasKey = true;
    const at = this.#at + 1;
    if (!this.#string()) return false;
    const length = this.#keyEnd - this.#keyAt;
    for (let i = 0; i < length; i++) if (this.#bytes[at + i] !== this.#bytes[this.#keyAt + i]) return false;
    return this.#at - 1 - at === length;
  }

  #readTime(): boolean {
    if (this.time >= 0) return false;
    this.time = this.#wholeNumber();
    return this.time >= 0 && this.time <= TIME_MAX;
  }

  #readSequence(): boolean {
    if (this.sequence !== undefined) return false;
    this.sequence = this.#wholeNumber();
    return this.sequence >= 0;
  }

  #readType(): boolean {
    if (this.typeAt >= 0) return false;
    this.typeAt = this.#at + 1;
    if (!this.#string()) return false;
    this.typeEnd = this.#at - 1;
    const length = this.typeEnd - this.typeAt;
    return length > 0 && length <= TYPE_BYTES_MAX;
  }

  #readData(): boolean {
    if (this.dataAt >= 0) return false;
    this.dataAt = this.#at;
    if (!this.#value(0)) return false;
    this.dataEnd = this.#at;
    return true;
  }

  /** Steps over a value of any kind; false if it is none. */
  #value(level: number): boolean {
    switch (this.#bytes[this.#at]) {
      case QUOTE:
        return this.#string();
      case OPEN_BRACE:
        return this.#list(CLOSE_BRACE, true, level);
      case OPEN_BRACKET:
        return this.#list(CLOSE_BRACKET, false, level);
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return this.#number();
    }
  }

  /** Steps over an object (`named`) or an array. */
  #list(close: number, named: boolean, level: number): boolean {
    if (level >= LEVELS_MAX) return false;
    this.#at++;
    this.#space();
    if (this.#take(close)) return true;
    for (;;) {
      this.#space();
      if (named && !this.#name()) return false;
      if (!this.#value(level + 1)) return false;
      this.#space();
      if (this.#take(close)) return true;
      if (!this.#take(COMMA)) return false;
    }
  }

  /** Steps over a name, its colon and the space around it. */
  #name(): boolean {
    if (!this.#string()) return false;
    this.#space();
    if (!this.#take(COLON)) return false;
    this.#space();
    return true;
  }

  /** Steps over a string of printable ASCII without escapes. */
  #string(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    if (at >= end || bytes[at] !== QUOTE) return false;
    for (at++; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return false;
    }
    return false;
  }

  /** Reads a number of plain digits; −1 if it is another one, or none. */
  #wholeNumber(): number {
    const from = this.#at;
    let value = 0;
    while (this.#isDigit(this.#at)) value = value * 10 + (this.#bytes[this.#at++]! - ZERO);
    const digits = this.#at - from;
    // A fraction or an exponent would follow here, where only a comma or a brace is taken.
    return digits === 0 || digits > DIGITS_MAX || (digits > 1 && this.#bytes[from] === ZERO) ? -1 : value;
  }

  #number(): boolean {
    if (this.#peek() === MINUS) this.#at++;
    const first = this.#at;
    if (!this.#digits()) return false;
    if (this.#bytes[first] === ZERO && this.#at > first + 1) return false;
    if (this.#peek() === DOT) {
      this.#at++;
      if (!this.#digits()) return false;
    }
    if ((this.#peek() | 0x20) !== 0x65) return true;
    this.#at++;
    const sign = this.#peek();
    if (sign === MINUS || sign === 0x2b) this.#at++;
    return this.#digits();
  }

  /** Steps over digits; false if there is none. */
  #digits(): boolean {
    const from = this.#at;
    while (this.#isDigit(this.#at)) this.#at++;
    return this.#at > from;
  }

  #isDigit(at: number): boolean {
    return at < this.#end && this.#bytes[at]! >= ZERO && this.#bytes[at]! <= NINE;
  }

  /** The byte at hand, 0 at the end. */
  #peek(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : 0;
  }

  #word(word: Uint8Array): boolean {
    if (this.#end - this.#at < word.length || !this.#is(this.#at, word)) return false;
    this.#at += word.length;
    return true;
  }

  #is(at: number, word: Uint8Array): boolean {
    for (let i = 0; i < word.length; i++) if (this.#bytes[at + i] !== word[i]) return false;
    return true;
  }

  #take(byte: number): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }
}
