/**
 * A Redis command whose bytes are made here. A commit has thousands of arguments, and ioredis counts and copies each
 * of them on its own; most are ASCII, and then one copy of the whole is enough.
 */
import { Buffer } from 'node:buffer';
import { Command } from 'ioredis';
import type { Argument } from './commit-arguments.js';

export class EncodedCommand extends Command {
  readonly #bytes: Buffer;

  constructor(name: string, args: readonly Argument[]) {
    super(name, [], { replyEncoding: 'utf8' });
    this.#bytes = encode([name, ...args]);
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

/** Room for a character more than there should be, so that a text which is longer is not cut to its length. */
const SLACK = 4;

/** Source: Redis serialization protocol, an array of bulk strings. */
export function encode(args: readonly Argument[]): Buffer {
  const parts: Argument[] = [];
  let text = `*${args.length}\r\n`;
  for (const arg of args) {
    text += `$${arg.length}\r\n`;
    if (typeof arg === 'string') text += arg;
    else {
      parts.push(text, arg);
      text = '';
    }
    text += '\r\n';
  }
  parts.push(text);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const encoded = Buffer.allocUnsafe(length + SLACK);
  let at = 0;
  for (const part of parts) {
    const bytes = typeof part === 'string' ? encoded.write(part, at) : part.copy(encoded, at);
    // ASCII has as many bytes as characters; where that is not so, the lengths above are wrong.
    if (bytes !== part.length) return encode(args.map(asBytes));
    at += bytes;
  }
  return encoded.subarray(0, length);
}

function asBytes(arg: Argument): Argument {
  return typeof arg === 'string' && Buffer.byteLength(arg) !== arg.length ? Buffer.from(arg) : arg;
}
