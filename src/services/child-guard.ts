/**
 * Servers die with the process that started them. They run in process groups of their own, so that Ctrl-C in a
 * terminal reaches only the parent, which stops them after it has drained. This file covers the parent that ends
 * without stopping them: by an exit, or by a signal for which it has no listener.
 * A parent ended by SIGKILL cannot do anything; the pidfile of `orphan.ts` covers that.
 */
import type { ChildProcess } from 'node:child_process';

const guarded = new Set<ChildProcess>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Sees to it that `child` and its group do not outlive this process. */
export function guard(child: ChildProcess): void {
  if (guarded.size === 0) {
    process.on('exit', killAll);
    // First in line, so that a listener registered with `once` is still counted.
    for (const signal of signals) process.prependListener(signal, endBySignal);
  }
  guarded.add(child);
  child.once('exit', () => release(child));
}

/** Sends a signal to the server and every process it forked; nothing happens when it has ended. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  // An ended child's number may already belong to somebody else.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function release(child: ChildProcess): void {
  guarded.delete(child);
  if (guarded.size > 0) return;
  process.off('exit', killAll);
  for (const signal of signals) process.off(signal, endBySignal);
}

/** SIGKILL, because nothing can be awaited here and a paused server obeys nothing else. Both servers survive it without loss. */
function killAll(): void {
  for (const child of guarded) signalGroup(child, 'SIGKILL');
}

function endBySignal(signal: NodeJS.Signals): void {
  // Any other listener means that the application stops its servers itself.
  if (process.listenerCount(signal) > 1) return;
  killAll();
  for (const each of signals) process.off(each, endBySignal);
  process.kill(process.pid, signal);
}
