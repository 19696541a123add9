/** A nats-server with JetStream on this machine, for development and tests. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onPort } from './free-port.js';
import { converse } from './probe.js';
import { claimDir, launch, type RunningServer, type StartOptions } from './server-process.js';

export interface NatsServerOptions extends StartOptions {
  /** More configuration in the server's own language. A repeated setting replaces Millrace's, a repeated block whole. */
  readonly extraConfig?: string | undefined;
  /**
   * When the server counts as started: `jetstream` waits until JetStream answers; `listening` is for a cluster, whose
   * first server cannot answer alone.
   */
  readonly ready?: 'jetstream' | 'listening' | undefined;
}

const program = 'nats-server';

/**
 * Starts nats-server with JetStream storing in `dir`, listening on 127.0.0.1 only. Calling it again with the same `dir`
 * finds the streams again, also after a crash of the server or of this process.
 * @throws MillraceError `PORT_IN_USE`; Error with the end of the log when the server ends early or does not get ready.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<RunningServer> {
  const dir = await claimDir(options.dir, program, options.binary);
  return onPort(options.port, async (port) => {
    const config = join(dir, `${program}.conf`);
    await writeFile(config, natsConfig(dir, port, options.extraConfig ?? ''));
    const probe = (): Promise<void> => probeNats(port, options.ready ?? 'jetstream');
    return launch({ program, scheme: 'nats', port, args: ['-c', config], probe }, dir, options);
  });
}

function natsConfig(dir: string, port: number, extra: string): string {
  const store = JSON.stringify(join(dir, 'jetstream'));
  return `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${store} }\n${extra}\n`;
}

/** Reads the server's greeting and asks JetStream for its account, as any client would. */
function probeNats(port: number, ready: 'jetstream' | 'listening'): Promise<void> {
  let isAsked = false;
  return converse(port, '', (received, send) => {
    const greeting = /^INFO (\{.*\})\s*\r\n/.exec(received)?.[1];
    if (greeting === undefined) return false;
    const info = JSON.parse(greeting) as Record<string, unknown>;
    // Behind a login or TLS only the greeting can be had without the caller's credentials.
    if (ready === 'listening' || info.auth_required || info.tls_required) return true;
    if (!isAsked) {
      isAsked = true;
      send('CONNECT {"verbose":false}\r\nSUB _INBOX.ready 1\r\nPUB $JS.API.INFO _INBOX.ready 0\r\n\r\n');
    }
    const answer = /\r\nMSG _INBOX\.ready 1 +(\d+)\r\n/.exec(received);
    if (answer === null) return false;
    const start = answer.index + answer[0].length;
    const body = received.slice(start, start + Number(answer[1]));
    if (body.length < Number(answer[1])) return false;
    if ('error' in (JSON.parse(body) as object)) throw new Error(`JetStream answers ${body}`);
    return true;
  });
}
