/** Ctrl-C and its relatives: the first one asks to stop in good order, the second one stops at once. */
import { type SignalName, takeKeptSignal } from './early-signals.js';

/** Exit code of a process that a signal ends, as shells have it. */
export const exitCodeOfSignal: Readonly<Record<SignalName, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const signals = Object.keys(exitCodeOfSignal) as readonly SignalName[];

/**
 * npm passes on the signal that the terminal has already sent to everybody; that is not a person's second Ctrl-C.
 * A person takes longer to find out that the first one was not enough.
 */
const ECHO_MS = 500;

export interface StopSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Stops as a signal would. */
  stop(): void;
  /** Signals act as before. */
  release(): void;
}

/** Takes the signals over until `release`, one that came before included. `asked` gets the name of the first one, once. */
export function stopSignals(asked: (name: string) => void): StopSignals {
  const controller = new AbortController();
  let firstAt = Number.NaN;
  const receive = (name: SignalName): void => {
    if (controller.signal.aborted) {
      if (performance.now() - firstAt > ECHO_MS) process.exit(exitCodeOfSignal[name]);
      return;
    }
    firstAt = performance.now();
    controller.abort(new Error(name));
    asked(name);
  };
  for (const name of signals) process.on(name, receive);
  const kept = takeKeptSignal();
  if (kept !== undefined) receive(kept);
  return {
    signal: controller.signal,
    stop: () => {
      firstAt = Number.NEGATIVE_INFINITY;
      controller.abort(new Error('stop'));
    },
    release: () => {
      for (const name of signals) process.off(name, receive);
    },
  };
}
