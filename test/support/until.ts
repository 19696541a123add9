/** Waiting for what another process or a timer does: a condition and a deadline, never a fixed time. */
import { setTimeout as delay } from 'node:timers/promises';

const ASK_AGAIN_MS = 5;
/** Deadlines are given for a quiet machine. A busy one gets so many times as long, up to what the runner gives a test. */
const PATIENCE = 5;
const PATIENT_MS_MAX = 120_000;

/**
 * Resolves as soon as `condition` is true; throws when it is not within `deadlineMs` of a quiet machine, and says what was
 * waited for.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number,
  what: string | (() => string),
): Promise<void> {
  const patientMs = Math.max(deadlineMs, Math.min(PATIENCE * deadlineMs, PATIENT_MS_MAX));
  const deadline = performance.now() + patientMs;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`not within ${patientMs} ms: ${typeof what === 'string' ? what : what()}`);
    await delay(ASK_AGAIN_MS);
  }
}
