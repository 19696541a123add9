/** Ctrl-C and its relatives: the first one asks to stop in good order, the second one stops at once. */

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const exitCodes: Readonly<Record<(typeof signals)[number], number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

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

/** Takes the signals over until `release`. `asked` is called once, with the name of the first one. */
export function stopSignals(asked: (name: string) => void): StopSignals {
  const controller = new AbortController();
  let firstAt = Number.NaN;
  const receive = (name: (typeof signals)[number]): void => {
    if (controller.signal.aborted) {
      if (performance.now() - firstAt > ECHO_MS) process.exit(exitCodes[name]);
      return;
    }
    firstAt = performance.now();
    controller.abort(new Error(name));
    asked(name);
  };
  for (const name of signals) process.on(name, receive);
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
