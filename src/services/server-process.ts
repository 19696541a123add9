/**
 * The life of one server process: started, ready, paused, ended and started again on the same port and directory.
 * What differs between servers (arguments, readiness) comes in a `ServerPlan`.
 *
 * ```
 *           start                ready
 *  ended ──────────▶ starting ──────────▶ running ◀──pause/resume──▶ paused
 *    ▲                  │ early exit          │                        │
 *    └──────────────────┴─────────────────────┴──── stop, kill ────────┘
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.js';
import { guard, signalGroup } from './child-guard.js';
import type { ServerBinary } from './find-binary.js';
import { removePidfile, stopOrphan, writePidfile } from './orphan.js';
import { untilReady } from './probe.js';
import { lastLines } from './run-command.js';

/** What every server is started with. */
export interface StartOptions {
  readonly binary: ServerBinary;
  /** Directory for data, log and pidfile; created when missing. One server of a kind at a time. */
  readonly dir: string;
  /** Port on 127.0.0.1; a free one by default. */
  readonly port?: number | undefined;
  /** More arguments, after Millrace's own, so that they win. */
  readonly args?: readonly string[] | undefined;
  readonly log?: ((line: string) => void) | undefined;
  /** How long the server may take until it answers; 30 s by default. */
  readonly readyMs?: number | undefined;
}

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server that answered at least once. `pid` and `exited` are those of the present process: `restart` renews them. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  readonly logFile: string;
  /** Settles when the process has ended, whoever ended it; never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Ends the server in good order: SIGTERM, and SIGKILL after 10 s. Resolves when it is gone; no harm if it already is. */
  stop(): Promise<void>;
  /** Ends the server as a crash would: SIGKILL. Data and directory stay. */
  kill(): Promise<void>;
  /** Freezes the server: connections stay open and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts the server again on the same port and directory, after stopping it if it still runs. */
  restart(): Promise<void>;
}

export interface ServerPlan {
  readonly program: string;
  readonly scheme: string;
  readonly port: number;
  readonly args: readonly string[];
  /** Asks once whether the server is ready; rejects when it is not. */
  readonly probe: () => Promise<void>;
}

const readyMsDefault = 30_000;
const stopMs = 10_000;
const tailLines = 12;

/** Makes the directory ready for a server and answers its real path: an orphan of an earlier run is stopped first. */
export async function claimDir(dir: string, program: string, binary: ServerBinary): Promise<string> {
  await mkdir(dir, { recursive: true });
  const real = await realpath(dir);
  await stopOrphan(real, program, binary.path);
  return real;
}

/**
 * Starts the planned server and resolves when it answers. `dir` comes from `claimDir`.
 * @throws MillraceError `PORT_IN_USE` when another program was faster; Error with the end of the log otherwise.
 */
export async function launch(plan: ServerPlan, dir: string, options: StartOptions): Promise<RunningServer> {
  const server = new ServerProcess(plan, dir, options);
  await server.start();
  return server;
}

class ServerProcess implements RunningServer {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly logFile: string;
  readonly #plan: ServerPlan;
  readonly #options: StartOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<ServerExit> = Promise.resolve({ code: null, signal: null });

  constructor(plan: ServerPlan, dir: string, options: StartOptions) {
    this.#plan = plan;
    this.#options = options;
    this.dir = dir;
    this.port = plan.port;
    this.url = `${plan.scheme}://127.0.0.1:${plan.port}`;
    this.logFile = join(dir, `${plan.program}.log`);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get exited(): Promise<ServerExit> {
    return this.#exited;
  }

  async start(): Promise<void> {
    const { program, probe } = this.#plan;
    const logStart = (await stat(this.logFile).catch(() => undefined))?.size ?? 0;
    const child = await this.#spawn();
    const ending = new AbortController();
    // A server that ends while starting must not be waited for until the deadline.
    const onExit = (): void => ending.abort(new Error('ended while starting'));
    child.once('exit', onExit);
    try {
      await untilReady(probe, this.#options.readyMs ?? readyMsDefault, ending.signal);
      // The answer may have come from a stranger on the port while ours was about to give up.
      ending.signal.throwIfAborted();
    } catch (cause) {
      await this.kill();
      throw await this.#startError(logStart, cause);
    } finally {
      child.off('exit', onExit);
    }
    const { binary, log } = this.#options;
    log?.(`${program} ${binary.version} listens on ${this.url} (process ${this.pid}, ${this.dir})`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    // To the server alone: redis ends the processes it forked itself.
    child.kill('SIGTERM');
    signalGroup(child, 'SIGCONT');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), stopMs);
    await this.#exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    if (this.#child !== undefined) signalGroup(this.#child, 'SIGKILL');
    await this.#exited;
  }

  pause(): void {
    if (this.#child !== undefined) signalGroup(this.#child, 'SIGSTOP');
  }

  resume(): void {
    if (this.#child !== undefined) signalGroup(this.#child, 'SIGCONT');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #spawn(): Promise<ChildProcess> {
    const { binary, args = [] } = this.#options;
    const { program } = this.#plan;
    const log = await open(this.logFile, 'a');
    try {
      const child = spawn(binary.path, [...this.#plan.args, ...args], {
        cwd: this.dir,
        env: { ...process.env, ...binary.env },
        // A group of its own keeps the terminal's Ctrl-C away until the parent has drained.
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      const { pid } = child;
      if (pid === undefined) {
        const [cause] = await once(child, 'error');
        throw new Error(`${binary.path} cannot be started`, { cause });
      }
      guard(child);
      // Errors of later signals have callers of their own; unheard, they would end this process.
      child.on('error', () => {});
      this.#exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
      child.once('exit', () => removePidfile(this.dir, program, pid));
      writePidfile(this.dir, program, pid);
      this.#child = child;
      return child;
    } finally {
      await log.close();
    }
  }

  async #startError(logStart: number, cause: unknown): Promise<Error> {
    const { program, port } = this.#plan;
    const log = (await readFile(this.logFile)).subarray(logStart).toString('utf8');
    if (/address already in use/i.test(log)) {
      return new MillraceError('PORT_IN_USE', `port ${port} is taken, ${program} cannot listen on it`, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    const tail = lastLines(log, tailLines).join('\n  ');
    return new Error(`${program} did not start: ${reason}; its log ends with\n  ${tail}`, { cause });
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
