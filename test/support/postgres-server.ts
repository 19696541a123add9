/** A real Postgres of one test, from the machine's packages: an own directory, an own port, an unprivileged user. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from '../../src/services/free-port.js';
import { type PostgresPrograms, postgresPrograms } from './postgres-programs.js';
import { until } from './until.js';

const READY_MS = 30_000;
/** Postgres refuses to run as root: then it runs as nobody. */
const NOBODY = 65_534;
const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

export class PostgresServer {
  readonly url: string;
  readonly #programs: PostgresPrograms;
  readonly #dir: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(programs: PostgresPrograms, dir: string, port: number) {
    this.#programs = programs;
    this.#dir = dir;
    this.#port = port;
    this.url = `postgres://millrace@127.0.0.1:${port}/postgres`;
  }

  static async start(): Promise<PostgresServer> {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-postgres-'));
    if (user.uid !== undefined) await chown(dir, user.uid, user.gid);
    const { bin, env } = await postgresPrograms(dir);
    const init = ['-D', join(dir, 'data'), '-U', 'millrace', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
    await promisify(execFile)(join(bin, 'initdb'), [...init, '--locale=C.UTF-8'], { ...user, env, cwd: dir });
    const server = new PostgresServer({ bin, env }, dir, await freePort());
    await server.restart();
    return server;
  }

  /** A plain client of the test's own; the caller ends it. */
  async client(connectionString = this.url): Promise<Client> {
    const client = new Client({ connectionString });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async restart(): Promise<void> {
    await this.kill();
    // One that starts while a session of the killed one still holds its memory, or somebody has its port, ends at once.
    const answers = async (): Promise<boolean> => {
      if (this.#child === undefined || hasEnded(this.#child)) this.#spawn();
      return this.#answers();
    };
    await until(answers, READY_MS, 'a Postgres that answers');
  }

  #spawn(): void {
    const { bin, env } = this.#programs;
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#dir}`, 'max_connections=40'];
    const args = ['-D', join(this.#dir, 'data'), '-p', `${this.#port}`, ...settings.flatMap((one) => ['-c', one])];
    this.#child = spawn(join(bin, 'postgres'), args, {
      ...user,
      env,
      cwd: this.#dir,
      stdio: 'ignore',
      detached: true,
    });
  }

  /** Freezes the server with all its sessions: connections stay open and nothing is answered. */
  async pause(): Promise<void> {
    await this.#signalAll('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#signalAll('SIGCONT');
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await this.#signalAll('SIGKILL', child);
    if (!hasEnded(child)) await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return this.client().then(
      (client) => client.end().then(() => true),
      () => false,
    );
  }

  /** Sessions are processes in groups of their own. */
  async #signalAll(signal: NodeJS.Signals, child = this.#child): Promise<void> {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(child!.pid)]).catch(() => ({
      stdout: '',
    }));
    for (const pid of [
      child!.pid!,
      ...stdout
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(Number),
    ]) {
      try {
        process.kill(pid, signal);
      } catch {
        // it has ended meanwhile
      }
    }
  }
}
