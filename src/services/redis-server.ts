/** A redis-server on this machine that keeps what it is told, for development and tests. */
import { onPort } from './free-port.js';
import { converse } from './probe.js';
import { claimDir, launch, type RunningServer, type StartOptions } from './server-process.js';

const program = 'redis-server';

/**
 * Starts redis-server with an append-only file in `dir` and no eviction, listening on 127.0.0.1 only. Calling it again
 * with the same `dir` finds the data again, also after a crash of the server or of this process.
 * @throws MillraceError `PORT_IN_USE`; Error with the end of the log when the server ends early or does not get ready.
 */
export async function startRedisServer(options: StartOptions): Promise<RunningServer> {
  const dir = await claimDir(options.dir, program, options.binary);
  return onPort(options.port, (port) => {
    const probe = (): Promise<void> => probeRedis(port);
    return launch({ program, scheme: 'redis', port, args: redisArgs(dir, port), probe }, dir, options);
  });
}

function redisArgs(dir: string, port: number): string[] {
  return [
    ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
    // Any other policy deletes checkpoints when memory is short.
    ...['--maxmemory-policy', 'noeviction'],
  ];
}

/** Ready once PING is answered; `LOADING` is an error until the append-only file has been read. */
function probeRedis(port: number): Promise<void> {
  return converse(port, 'PING\r\n', (received) => {
    if (!received.includes('\r\n')) return false;
    // A password in the caller's arguments: the server answers, and only the caller can ask more.
    if (received.startsWith('+PONG') || received.startsWith('-NOAUTH')) return true;
    throw new Error(received.trim());
  });
}
