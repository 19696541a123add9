/**
 * Signals that come while the command is still being loaded. As process 1 of a container a process that has no handler
 * loses them without a word, and is killed when the patience of its supervisor ends.
 */

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type SignalName = (typeof names)[number];

let first: SignalName | undefined;
const note = (name: NodeJS.Signals): void => {
  first ??= name as SignalName;
};

/** From now on signals are kept for whoever takes them. */
export function keepSignals(): void {
  for (const name of names) process.on(name, note);
}

/** Signals act as before; the first one that was kept, or undefined. */
export function takeKeptSignal(): SignalName | undefined {
  for (const name of names) process.off(name, note);
  const kept = first;
  first = undefined;
  return kept;
}
