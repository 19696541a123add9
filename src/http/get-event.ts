/** `GET /v1/events/{id}`: what was decided about an event id, and why; on request once it is decided, or stored. */
import { problemOfName } from '../core/key/key.js';
import { MillraceError } from '../errors.js';
import { elsewhereText } from '../runtime/elsewhere.js';
import type { EventReport, EventWait, Inquiries, Unanswered } from '../runtime/explain.js';
import type { Answer } from './answer.js';
import { errorBody, statusOf } from './answer.js';
import { nameInPath } from './path-name.js';
import { Query } from './query.js';

const WAIT_MAX = '60s';
/** Partitions that a message names; the answer lists them all. */
const NAMED_MAX = 5;

/**
 * `key` narrows it to one partition, and with it an answer can wait: `wait=5s` for the decision, `until=durable` also for
 * the checkpoint that holds it. 404 says what it means that nothing is known, 503 that nobody could answer; both
 * carry the report all the same. `target` is what the client sent, byte for byte.
 */
export async function getEvent(url: string, target: string, questions: Pick<Inquiries, 'explain'>): Promise<Answer> {
  const id = nameInPath(target, '/v1/events/', 'id');
  const query = new Query(url, ['key', 'wait', 'until']);
  const key = query.read('key', keyOf);
  const ms = query.durationMs('wait', WAIT_MAX, 'connections should not hang for longer');
  const until = query.read('until', untilOf) ?? 'decided';
  query.requires('wait', 'key');
  query.requires('until', 'wait');
  query.check();
  const report = await questions.explain(id, key, ms === undefined ? undefined : { until, ms });
  if (report.decisions.length > 0) return { status: 200, body: report };
  const code = report.answered === 0 && report.unanswered.length > 0 ? 'NODE_UNREACHABLE' : 'NOT_FOUND';
  const error = new MillraceError(code, unknown(report, key));
  return { status: statusOf(code), body: { ...errorBody(error), ...report } };
}

function keyOf(text: string): string {
  const problem = problemOfName(text);
  if (problem === undefined) return text;
  throw new RangeError(problem);
}

function untilOf(text: string): EventWait['until'] {
  if (text === 'decided' || text === 'durable') return text;
  throw new RangeError('must be decided or durable');
}

/** What it means that nothing is known about an id. */
function unknown(
  { id, answered, unanswered, elsewhere, keepsIds, unread }: EventReport,
  key: string | undefined,
): string {
  const where =
    key === undefined ? `the ${answered} partitions of this node` : `the partition of key ${JSON.stringify(key)}`;
  const silent =
    unanswered.length === 0 ? '' : `; no answer from ${unanswered.slice(0, NAMED_MAX).map(named).join(', ')}`;
  const more = unanswered.length > NAMED_MAX ? ` and ${unanswered.length - NAMED_MAX} more` : '';
  const others = elsewhere.length === 0 ? '' : `; not asked: ${elsewhere.map(elsewhereText).join(', ')}`;
  const rest = `${silent}${more}${others}`;
  if (answered === 0) return `nothing can be said about event ${JSON.stringify(id)}${rest}`;
  if (!keepsIds)
    return `what became of event ${JSON.stringify(id)} is not known: dedupe is off (dedupe.idempotent), so ids are not kept${rest}`;
  const behind = unread === null || unread === 0 ? '' : `; ${unread} events are not read yet`;
  return `event ${JSON.stringify(id)} is not known to ${where}: it never came here, or its id is older than the dedupe horizon${behind}${rest}`;
}

const named = ({ partition, phase, code }: Unanswered): string => `partition ${partition} (${phase}, ${code})`;
