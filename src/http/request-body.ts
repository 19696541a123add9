/** Request bodies from strangers: counted while they are read, so that no more than the limit is ever held. */
import { MillraceError } from '../errors.js';
import { printSize } from '../options/quantities.js';

type Body = ReadableStream<Uint8Array> | null;

/** How much of a body that is refused is read away, so that its sender, who still sends, gets to see the answer. */
const DISCARDED_BYTES_MAX = 64 * 2 ** 20;

/** Pieces of a body as they arrive. Throws EVENT_TOO_LARGE above `bytesMax`, and REQUEST_INVALID if the rest is missing. */
async function* pieces(body: Body, bytesMax: number): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let bytes = 0;
  const next = async (): Promise<Uint8Array | undefined> => {
    const { value } = await reader.read().catch((error: unknown) => {
      throw new MillraceError('REQUEST_INVALID', 'the request ended before its body did', { cause: error });
    });
    bytes += value?.length ?? 0;
    return value;
  };
  try {
    for (let piece = await next(); piece !== undefined; piece = await next()) {
      if (bytes > bytesMax) {
        const message = `the request body has more than ${printSize(bytesMax)}; send fewer events per request`;
        throw new MillraceError('EVENT_TOO_LARGE', message);
      }
      yield piece;
    }
  } finally {
    // Also where the reader of the pieces gave up. Left unread, the connection would be cut while it looks reusable.
    const discard = async (): Promise<void> => {
      while (bytes <= DISCARDED_BYTES_MAX && (await next()) !== undefined);
    };
    await discard().catch(() => undefined); // a request that ended early has no rest
  }
}

/** The whole body. */
export async function readBody(body: Body, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces(body, bytesMax)) parts.push(piece);
  return Buffer.concat(parts);
}

/**
 * Calls `onLine` with each line that is not empty, without its line feed, as it arrives; of one longer than
 * `lineBytesMax` it gets only the length. A call per line, not a promise: a body of nothing but line feeds is cheap.
 */
export async function readLines(
  body: Body,
  { lineBytesMax, bytesMax }: { readonly lineBytesMax: number; readonly bytesMax: number },
  onLine: (line: Uint8Array | number) => void,
): Promise<void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array): void => {
    length += part.length;
    if (length <= lineBytesMax) parts.push(part);
    else parts = [];
  };
  const take = (): void => {
    if (length > lineBytesMax) onLine(length);
    else if (length > 0) onLine(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    parts = [];
    length = 0;
  };
  for await (const piece of pieces(body, bytesMax)) {
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      if (end > from) add(piece.subarray(from, end));
      if (length > 0) take();
      from = end + 1;
    }
    add(piece.subarray(from));
  }
  take();
}
