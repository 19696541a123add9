/** Request bodies from strangers: counted while they are read, so that no more than the limit is ever held. */
import { MillraceError } from '../errors.js';
import { printSize } from '../options/quantities.js';

type Body = ReadableStream<Uint8Array> | null;

/** Pieces of a body as they arrive. Throws EVENT_TOO_LARGE above `bytesMax`, and REQUEST_INVALID if the rest is missing. */
async function* pieces(body: Body, bytesMax: number): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw new MillraceError('REQUEST_INVALID', 'the request ended before its body did', { cause: error });
    });
    if (done) return;
    bytes += value.length;
    // The rest is left to the server, which reads it away for a while: whoever still sends would not see the answer.
    if (bytes > bytesMax)
      throw new MillraceError(
        'EVENT_TOO_LARGE',
        `the request body has more than ${printSize(bytesMax)}; send fewer events per request`,
      );
    yield value;
  }
}

/** The whole body. */
export async function readBody(body: Body, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces(body, bytesMax)) parts.push(piece);
  return Buffer.concat(parts);
}

/** The lines of a body as they arrive, without their line feeds. Of one longer than `lineBytesMax` only its length. */
export async function* readLines(
  body: Body,
  lineBytesMax: number,
  bytesMax: number,
): AsyncGenerator<Uint8Array | number> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array): void => {
    length += part.length;
    if (length <= lineBytesMax) parts.push(part);
    else parts = [];
  };
  const take = (): Uint8Array | number => {
    const line = length <= lineBytesMax ? Buffer.concat(parts) : length;
    parts = [];
    length = 0;
    return line;
  };
  for await (const piece of pieces(body, bytesMax)) {
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      add(piece.subarray(from, end));
      yield take();
      from = end + 1;
    }
    add(piece.subarray(from));
  }
  if (length > 0) yield take();
}
