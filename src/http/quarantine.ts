/** `/v1/quarantine`: keys whose events wait for an operator, and what the operator decides about one of them. */
import { partitionOf } from '../core/key/partition.js';
import type { Inquiries } from '../runtime/explain.js';
import type { Answer } from './answer.js';
import type { Actions } from './change-request.js';
import { readChange, refuseMedia } from './change-request.js';
import { nameInPath } from './path-name.js';
import { Query } from './query.js';

const LIMIT = 1_000;
const LIMIT_MAX = 10_000;

/** `GET`: oldest first, at most `limit`; `total` says how many there are. */
export async function getQuarantine(
  url: string,
  questions: Pick<Inquiries, 'quarantined'>,
  partitions: number,
): Promise<Answer> {
  const query = new Query(url, ['partition', 'limit']);
  const partition = query.whole('partition', 0, partitions - 1);
  const limit = query.whole('limit', 1, LIMIT_MAX) ?? LIMIT;
  query.check();
  const { quarantined, unanswered } = await questions.quarantined(partition);
  return {
    status: 200,
    body: { quarantined: quarantined.slice(0, limit), total: quarantined.length, unanswered },
  };
}

const actions: Actions<'release' | 'skip' | 'edit'> = { release: 'no body', skip: 'no body', edit: 'needs body' };

export interface ChangeDependencies {
  readonly questions: Pick<Inquiries, 'change'>;
  readonly partitions: number;
  readonly payloadBytes: number;
}

/**
 * `POST …/{key}`: answers when the decision is durable. `again` says that the key is quarantined once more, by the same
 * event or a later one. `partition` is for an event that lies in another partition than its key's.
 */
export async function postQuarantine(
  request: Request,
  target: string,
  { questions, partitions, payloadBytes }: ChangeDependencies,
): Promise<Answer> {
  const refusal = refuseMedia(request, 'POST /v1/quarantine');
  if (refusal !== undefined) return refusal;
  const key = nameInPath(target, '/v1/quarantine/', 'key');
  const query = new Query(request.url, ['partition']);
  const partition = query.whole('partition', 0, partitions - 1) ?? partitionOf(key, partitions);
  query.check();
  const { action, body } = await readChange(request, actions, payloadBytes);
  const question = action === 'edit' ? { kind: action, key, body: body! } : { kind: action, key };
  const { again } = await questions.change(partition, question);
  return { status: 200, body: { changed: true, again, key, partition } };
}
