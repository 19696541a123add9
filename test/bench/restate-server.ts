/** Restate's server, as it starts by itself, on loopback and without telemetry. */
import type { ServerBinary } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { claimDir, launch } from '../../src/services/server-process.js';

export interface RestateServer {
  readonly process: RunningServer;
  readonly adminUrl: string;
  readonly ingressPort: number;
}

export async function startRestateServer(
  found: { readonly path: string; readonly version: string },
  dir: string,
): Promise<RestateServer> {
  const program = 'restate-server';
  const [fabric, admin, ingressPort] = [await freePort(), await freePort(), await freePort()];
  const env = {
    RESTATE_BIND_ADDRESS: `127.0.0.1:${fabric}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingressPort}`,
    RESTATE_ADMIN__DISABLE_WEB_UI: 'true',
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_LOG_FILTER: 'error',
  };
  const adminUrl = `http://127.0.0.1:${admin}`;
  const binary: ServerBinary = { ...found, env, origin: 'cache' };
  const real = await claimDir(dir, program, binary);
  const probe = async (): Promise<void> => {
    for (const url of [`${adminUrl}/health`, `http://127.0.0.1:${ingressPort}/restate/health`])
      if (!(await fetch(url)).ok) throw new Error(`${url} is not well`);
  };
  const args = ['--base-dir', real, '--no-logo'];
  const process = await launch({ program, scheme: 'http', port: admin, args, probe }, real, { binary, dir });
  return { process, adminUrl, ingressPort };
}
