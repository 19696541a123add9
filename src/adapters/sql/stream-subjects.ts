/** Which stream takes a subject, by the rules of NATS: `*` is one token, `>` at the end is one or more. */
import { MillraceError } from '../../errors.js';
import type { SqlDatabase, SqlRow } from './sql-database.js';

export function streamOf(streams: readonly SqlRow[], subject: string): string | undefined {
  const row = streams.find(([, subjects]) => (subjects as string).split(',').some((one) => covers(one, subject)));
  return row?.[0] as string | undefined;
}

function covers(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return tokens.length > at;
    if (tokens[at] === undefined || (token !== '*' && token !== tokens[at])) return false;
  }
  return tokens.length === wanted.length;
}

const CREATE = `INSERT INTO streams (stream, subjects, last, last_us) VALUES (?, ?, 0, 0) ON CONFLICT (stream) DO NOTHING`;

/**
 * Creates the stream unless it is there or `create` is false.
 * @throws MillraceError `STREAM_MISSING`; `STREAM_UNSUITABLE` where it was made for other subjects.
 */
export async function ensureStream(
  database: SqlDatabase,
  stream: string,
  subjects: readonly string[],
  create = true,
): Promise<void> {
  const wanted = subjects.join(',');
  const stored = await database.write(`preparing stream ${stream}`, async (session) => {
    if (create) await session.change(CREATE, [stream, wanted]);
    return (await session.query('SELECT subjects FROM streams WHERE stream = ?', [stream]))[0]?.[0];
  });
  if (stored === undefined) throw new MillraceError('STREAM_MISSING', `there is no stream ${stream} in the database`);
  if (stored === wanted) return;
  const message = `stream ${stream} takes the subjects ${stored}, the options say ${wanted}`;
  throw new MillraceError('STREAM_UNSUITABLE', message);
}
