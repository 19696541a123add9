/**
 * One line when NATS or Redis goes away, and one when it is back: every partition and every thread of a node meets the
 * same outage, and a hundred lines would say it a hundred times. The others go out at level `debug`.
 *
 * Invariants
 * M1. An outage begins with the first work that waits for a service, and ends when all of it went on or was given up, or
 *     when the service has connected again. What is waited for after that is another outage.
 * M2. What is about no outage is passed on as it is.
 */
import type { LogLine } from '../ports/log.js';

/** `line` for the lines of a whole node, those of its threads included. */
export function onePerOutage(line: LogLine): LogLine {
  /** By service: how often each kind of work waits for it. */
  const outages = new Map<string, Map<string, number>>();
  let wasConnected = false;

  /** True if it is the first. */
  const waits = (work: string, service: string): boolean => {
    const outage = outages.get(service);
    if (outage === undefined) outages.set(service, new Map([[work, 1]]));
    else outage.set(work, (outage.get(work) ?? 0) + 1);
    return outage === undefined;
  };

  /** True if it is the last. */
  const waitsNoMore = (work: string): boolean => {
    for (const [service, outage] of outages) {
      const count = outage.get(work);
      if (count === undefined) continue;
      if (count > 1) outage.set(work, count - 1);
      else outage.delete(work);
      return outage.size === 0 && outages.delete(service);
    }
    return false;
  };

  /** Whether the line says something that no line before it has said. */
  const isNews = (event: string, fields: object): boolean => {
    const [work, end] = /^(.+)\.(waiting|recovered|abandoned)$/.exec(event)?.slice(1) ?? [];
    if (work !== undefined) return end === 'waiting' ? waits(work, serviceOf(work, fields)) : waitsNoMore(work);
    if (event === 'nats.connected' || event === 'nats.reconnected') outages.delete('nats');
    // What a lost thread waited for never goes on.
    if (event === 'thread.lost') outages.clear();
    if (event !== 'redis.connected') return true;
    // Every thread has a connection of its own.
    const isFirst = !wasConnected;
    wasConnected = true;
    return outages.delete('redis') || isFirst;
  };

  return (level, event, fields) => line(isNews(event, fields) ? level : 'debug', event, fields);
}

/** Who is waited for, as far as the error tells. */
function serviceOf(work: string, fields: object): string {
  const { code } = fields as { readonly code?: unknown };
  if (typeof code !== 'string') return work;
  if (code.startsWith('REDIS_') || code === 'COMMIT_TIMEOUT') return 'redis';
  return code.startsWith('NATS_') ? 'nats' : work;
}
