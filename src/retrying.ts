/** Trying again while the outside is away or busy: back-off with jitter, for as long as it is wanted. */
import { codeOf, MillraceError, messageOf } from './errors.js';
import type { Clock } from './ports/clock.js';
import type { LogLine } from './ports/log.js';

const WAIT_MS_MIN = 20;
const WAIT_MS_MAX = 2_000;

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/**
 * Runs `attempt` until it succeeds; `transient` errors are waited out, others are thrown. Logs the first failure and how
 * the waiting ended. Undefined when it is no longer wanted.
 */
export async function retrying<T>(
  clock: Clock,
  log: LogLine,
  event: string,
  isWanted: () => boolean,
  attempt: () => Promise<T>,
): Promise<T | undefined> {
  let failures = 0;
  for (; isWanted(); failures++) {
    try {
      const result = await attempt();
      if (failures > 0) log('info', `${event}.recovered`, { failures });
      return result;
    } catch (error) {
      if (!(error instanceof MillraceError) || error.category !== 'transient') {
        if (failures > 0) log('debug', `${event}.abandoned`, { failures });
        throw error;
      }
      if (failures === 0) log('warn', `${event}.waiting`, { code: codeOf(error), error: messageOf(error) });
      await pause(clock, Math.min(WAIT_MS_MIN * 2 ** Math.min(failures, 10), WAIT_MS_MAX));
    }
  }
  if (failures > 0) log('debug', `${event}.abandoned`, { failures });
  return undefined;
}
