/** Stops a server in its tracks, and is sure of it: SIGSTOP takes effect when the process is next to run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { RunningServer } from '../../src/services/server-process.js';
import { until } from '../support/until.js';

/** Freezes `server` while `work` is done, and wakes it again however that ends. */
export async function whileFrozen<T>(server: RunningServer, work: () => Promise<T>): Promise<T> {
  server.pause();
  try {
    await until(() => isStopped(server.pid), 10_000, `process ${server.pid} is stopped`);
    return await work();
  } finally {
    server.resume();
  }
}

/** Every thread of it: one that still runs may answer. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every((task) => / T \d/.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')));
}
