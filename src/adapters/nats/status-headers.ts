/** What a header block says that the server sends in the place of a message: `NATS/1.0 404 No Messages`, then headers. */
import { Buffer } from 'node:buffer';
import { headerOf } from '../../core/event/header-block.js';

export interface Status {
  /** 0 if there is none. */
  readonly code: number;
  readonly description: string;
  /** Value of a header by its lower-case name, '' if there is none. */
  readonly get: (lowerName: string) => string;
}

export function readStatus(headers: Uint8Array): Status {
  const text = Buffer.from(headers.buffer, headers.byteOffset, headers.byteLength).toString('utf8');
  const [, code = '0', description = ''] = /^NATS\/1\.0[ \t]+(\d+)[ \t]*([^\r\n]*)/.exec(text) ?? [];
  return {
    code: Number(code),
    description: description.trim(),
    get: (lowerName) => headerOf(text, lowerName) ?? '',
  };
}
