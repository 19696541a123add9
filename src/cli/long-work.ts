/** Commands that take their time: they show how far they are, and the first Ctrl-C ends them in good order. */
import { MillraceError } from '../errors.js';
import { ProgressLine } from './progress-line.js';
import { stopSignals } from './stop-signals.js';
import type { Terminal } from './terminal.js';

export interface LongWork {
  /** Aborts when a person has had enough. */
  readonly signal: AbortSignal;
  readonly show: (text: string) => void;
}

/** Does the work. Throws INTERRUPTED with `whatThen` if a person ended it. */
export async function longWork<T>(
  terminal: Terminal,
  { isQuiet, whatThen }: { readonly isQuiet: boolean; readonly whatThen: string },
  work: (context: LongWork) => Promise<T>,
): Promise<T> {
  const progress = new ProgressLine(terminal, isQuiet);
  const stopping = stopSignals(() => undefined);
  try {
    return await work({ signal: stopping.signal, show: (text) => progress.show(text) });
  } catch (error) {
    if (stopping.signal.aborted) throw new MillraceError('INTERRUPTED', whatThen, { cause: error });
    throw error;
  } finally {
    stopping.release();
    progress.end();
  }
}
