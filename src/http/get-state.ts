/** `GET /v1/state/{key}`: a key's durable state, on request only once an event is reflected in it. */
import { MillraceError } from '../errors.js';
import type { StateReader } from '../runtime/state-reader.js';
import { parseReceipt } from '../runtime/state-reader.js';
import type { Answer } from './answer.js';
import { errorBody } from './answer.js';
import { nameInPath } from './path-name.js';
import { Query } from './query.js';

const WAIT_MS = 5_000;
const WAIT_MAX = '60s';

/** `url` is parsed already; `target` is what the client sent, byte for byte. */
export async function getState(
  url: string,
  target: string,
  reader: StateReader,
  signal: () => AbortSignal,
): Promise<Answer> {
  const key = nameInPath(target, '/v1/state/', 'key');
  const query = new Query(url, ['after', 'wait']);
  const after = query.read('after', parseReceipt);
  const waitMs = query.durationMs('wait', WAIT_MAX, 'connections should not hang for longer') ?? WAIT_MS;
  query.requires('wait', 'after');
  query.check();
  // Whoever has left waits for nothing; the signal costs a request object of its own.
  const found = await reader.get(key, after, waitMs, after === undefined ? undefined : signal());
  // The handler's state may be null; that an event was applied is what counts.
  if (found.applied > 0) return { status: 200, body: found };
  const { partition, position, checkpointAgeMs } = found;
  const error = new MillraceError('NOT_FOUND', `no event of key ${JSON.stringify(key)} was applied`);
  return { status: 404, body: { ...errorBody(error), key, partition, position, checkpointAgeMs } };
}
