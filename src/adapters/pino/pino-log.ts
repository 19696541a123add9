/** The log: one JSON object per line, with the event's name, the node, and the fields of the line. */
import type { DestinationStream } from 'pino';
import { pino } from 'pino';
import type { LogLine } from '../../ports/log.js';
import { cleanFields, cleanText } from './clean-fields.js';

export interface LogOptions {
  /** Least severe level that is written. */
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly node: string;
  /** Where lines go: a stream, or a file descriptor; standard output by default. */
  readonly destination?: DestinationStream | number | undefined;
}

export interface Log {
  readonly line: LogLine;
  /** Settles when everything is written, or after a second if the reader has stalled; for the end of the process. */
  flush(): Promise<void>;
}

const STANDARD_OUTPUT = 1;
const FLUSH_MS_MAX = 1_000;

/**
 * Writes in the background, so that a reader that stalls does not hold up the main thread. What was not flushed when
 * the process is killed is lost; a normal exit flushes by itself.
 */
export function createLog({ level, node, destination = STANDARD_OUTPUT }: LogOptions): Log {
  // Every line is longer than 1 and written at once; with 0, the stream's `flush` would wait for nothing.
  const stream =
    typeof destination === 'number' ? pino.destination({ dest: destination, sync: false, minLength: 1 }) : destination;
  const logger = pino(
    {
      level,
      base: { node },
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    line: (severity, event, fields) => {
      if (logger.isLevelEnabled(severity)) logger[severity](cleanFields(fields), cleanText(event));
    },
    flush: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, FLUSH_MS_MAX);
        logger.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
