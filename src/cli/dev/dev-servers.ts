/**
 * nats-server and redis-server of `dev`: those that were named, or own ones on free ports with data in a directory.
 *
 * Own servers that end unasked are started again on the same port and data: killing one is the first thing a curious
 * person does, and Millrace then shows that it goes on.
 */
import { mkdir, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import { locateServer, locateServers, type ServerBinary, type ServerKind } from '../../services/binaries.js';
import { startNatsServer } from '../../services/nats-server.js';
import { startRedisServer } from '../../services/redis-server.js';
import { claimDir, type RunningServer } from '../../services/server-process.js';

export interface DevServersOptions {
  /** URLs of servers that run already; the others are started. */
  readonly nats: string | undefined;
  readonly redis: string | undefined;
  /** More configuration of an own nats-server. */
  readonly natsConfig?: string | undefined;
  readonly dir: string;
  /** Go on with the data of the last time. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** One server as people are told of it. */
export interface DevServer {
  readonly url: string;
  /** Undefined for one that was not started here. */
  readonly own: { readonly version: string; readonly dir: string; readonly binary: ServerBinary } | undefined;
}

export interface DevServers {
  readonly nats: DevServer;
  readonly redis: DevServer;
  /** Stops own servers; removes their data if `remove`. */
  stop(remove: boolean): Promise<void>;
}

const launchers = { nats: startNatsServer, redis: startRedisServer } as const;
const programs = { nats: 'nats-server', redis: 'redis-server' } as const;

/** Throws `SERVERS_MISSING`, `PORT_IN_USE` if another `dev` uses the directory, and what the servers say. */
export async function openServers(options: DevServersOptions): Promise<DevServers> {
  const binaries = await locate(options);
  const started: OwnServer[] = [];
  const stop = async (remove: boolean): Promise<void> => {
    await Promise.all(started.map((server) => server.stop(remove)));
    if (remove && started.length > 0) await rmdir(options.dir).catch(() => undefined); // others may keep files there
  };
  const open = async (kind: ServerKind, url: string | undefined): Promise<DevServer> => {
    if (url !== undefined) return { url, own: undefined };
    const server = await OwnServer.start(kind, binaries[kind]!, options);
    started.push(server);
    return { url: server.url, own: server };
  };
  try {
    return { nats: await open('nats', options.nats), redis: await open('redis', options.redis), stop };
  } catch (error) {
    await stop(!options.keep);
    throw error;
  }
}

/** The programs that are needed; asked for together, so that one error names all that are missing. */
async function locate({
  nats,
  redis,
  say,
  signal,
}: DevServersOptions): Promise<{ [kind in ServerKind]?: ServerBinary }> {
  const how = { log: say, signal };
  if (nats === undefined && redis === undefined) return locateServers(how);
  if (nats === undefined) return { nats: await locateServer('nats', how) };
  return redis === undefined ? { redis: await locateServer('redis', how) } : {};
}

class OwnServer {
  readonly binary: ServerBinary;
  readonly dir: string;
  readonly #kind: ServerKind;
  readonly #running: RunningServer;
  readonly #say: (line: string) => void;
  #isStopping = false;

  private constructor(
    kind: ServerKind,
    binary: ServerBinary,
    dir: string,
    running: RunningServer,
    say: (line: string) => void,
  ) {
    this.#kind = kind;
    this.binary = binary;
    this.dir = dir;
    this.#running = running;
    this.#say = say;
    this.#watch();
  }

  static async start(kind: ServerKind, binary: ServerBinary, options: DevServersOptions): Promise<OwnServer> {
    const { say } = options;
    await mkdir(options.dir, { recursive: true });
    const dir = join(await realpath(options.dir), kind);
    if (!options.keep) await empty(dir, kind, binary);
    return new OwnServer(
      kind,
      binary,
      dir,
      await launchers[kind]({ binary, dir, ...(kind === 'nats' ? { extraConfig: options.natsConfig } : {}) }),
      say,
    );
  }

  get url(): string {
    return this.#running.url;
  }

  get version(): string {
    return this.binary.version;
  }

  async stop(remove: boolean): Promise<void> {
    this.#isStopping = true;
    await this.#running.stop();
    if (remove) await rm(this.dir, { recursive: true, force: true });
  }

  #watch(): void {
    void this.#running.exited.then(({ code, signal }) => {
      if (this.#isStopping) return;
      this.#say(`${programs[this.#kind]} has ended (${signal ?? code}); it is started again with the same data`);
      this.#running.restart().then(
        () => this.#watch(),
        (error: unknown) => this.#say(`${programs[this.#kind]} does not start again: ${messageOf(error)}`),
      );
    });
  }
}

/** Removes the data of the last time. A server that survived its parent is stopped first. */
async function empty(dir: string, kind: ServerKind, binary: ServerBinary): Promise<void> {
  const real = await claimDir(dir, programs[kind], binary);
  for (const name of await readdir(real)) await rm(join(real, name), { recursive: true, force: true });
}
