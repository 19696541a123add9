/** Thread entry of a host. */
import type { HostResult, HostTask } from '../src/adapters/piscina/piscina-threads.js';
import type { HostSetup } from '../src/compose/host.js';
import { runHost } from '../src/compose/host.js';

export function host({ setup, port }: HostTask<HostSetup>): Promise<HostResult> {
  return runHost(setup, port);
}
