/** Waiting for what another process or a timer does: a condition and a deadline, never a fixed time. */
import { setTimeout as delay } from 'node:timers/promises';

const ASK_AGAIN_MS = 5;

/** Resolves as soon as `condition` is true; throws when it is not within `deadlineMs`, and says what was waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  what: string | (() => string),
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`);
    await delay(ASK_AGAIN_MS);
  }
}
