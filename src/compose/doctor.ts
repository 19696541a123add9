/** Looks at the servers of an application as a node would use them. Part of the composition root. */
import type { Options } from '../options/types.js';
import type { LogLine } from '../ports/log.js';
import type { Finding } from '../runtime/diagnosis.js';
import { isSql } from './backend.js';

/** Changes nothing. Throws `…_UNREACHABLE`, `STREAM_MISSING`, `SQL_…`; `monitor` is a nats-server's monitoring port. */
export async function examine(options: Options, line: LogLine, monitor: string | undefined): Promise<Finding[]> {
  if (isSql(options)) {
    const { examineDatabase } = await import('./doctor-sql.js');
    return examineDatabase(options);
  }
  const { examineServices } = await import('./doctor-services.js');
  return examineServices(options, line, monitor);
}
