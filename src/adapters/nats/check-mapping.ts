/**
 * Does the server's mapping lead each key to the stream that holds its partition? Asked without storing anything: an
 * event that names its stream and an impossible last sequence is refused by that stream for the sequence, by any other
 * for the name, and by nobody where there is no mapping.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import { natsError } from './nats-errors.js';

/** A key's subject as publishers use it, and the stream that must take it. */
export interface MappedProbe {
  readonly subject: string;
  readonly stream: string;
}

const ANSWER_MS = 2_000;
const NO_RESPONDERS = 503;
/** The server's codes for another stream than the expected one, and for another last sequence. */
const WRONG_STREAM = 10_060;
const WRONG_SEQUENCE = 10_071;

/** The first subject that is not led to its stream, as a clause; undefined if all are. Throws `NATS_UNREACHABLE`. */
export async function problemOfMapped(nc: NatsConnection, probes: readonly MappedProbe[]): Promise<string | undefined> {
  for (const { subject, stream } of probes) {
    const code = await answerCode(nc, subject, stream);
    if (code === WRONG_SEQUENCE) continue;
    if (code === NO_RESPONDERS) return `no stream takes ${subject}`;
    return code === WRONG_STREAM ? `${subject} does not go to ${stream}` : `${subject} is answered with code ${code}`;
  }
  return undefined;
}

async function answerCode(nc: NatsConnection, subject: string, stream: string): Promise<number> {
  const wanted = headers();
  wanted.set('Nats-Expected-Stream', stream);
  wanted.set('Nats-Expected-Last-Sequence', String(Number.MAX_SAFE_INTEGER));
  try {
    const answer = await nc.request(subject, '', { timeout: ANSWER_MS, headers: wanted });
    return answer.json<{ error?: { err_code?: number } }>().error?.err_code ?? 0;
  } catch (error) {
    if (isNobody(error)) return NO_RESPONDERS;
    throw natsError(`asking whether ${subject} is mapped`, error, stream);
  }
}

function isNobody(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoRespondersError' || /no responders|503/i.test(error.message));
}
