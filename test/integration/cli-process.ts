/** The command as its users start it: a process of its own, with its output and its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.js';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Another installation's command. */
  readonly entry?: string;
  /** Another Node than this one. */
  readonly node?: string;
}

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const ownEntry = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** Options of the one who runs the tests are not the tests'. */
function cleanEnv(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const isOption = (name: string): boolean =>
    name === 'NATS_URL' || name === 'REDIS_URL' || (name.startsWith('MILLRACE_') && !/CACHE|_SERVER$/.test(name));
  const kept = Object.entries(process.env).filter(([name]) => !isOption(name));
  return { ...Object.fromEntries(kept), ...env };
}

/** A command that runs; `out` and `err` hold everything it has written so far. */
export class CommandProcess {
  readonly child: ChildProcess;
  readonly cwd: string | undefined;
  out = '';
  err = '';
  readonly #ended: Promise<CommandResult>;

  constructor(
    args: readonly string[],
    { cwd, env, input, entry = ownEntry, node = process.execPath }: CommandOptions = {},
  ) {
    this.cwd = cwd;
    this.child = spawn(node, [entry, ...args], {
      cwd,
      env: cleanEnv(env),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.child.stdin?.end(input ?? '');
    this.#ended = once(this.child, 'close').then(([code]) => ({ code, out: this.out, err: this.err }));
  }

  /** Settles when the process has ended and everything it wrote is here. */
  ended(): Promise<CommandResult> {
    return this.#ended;
  }

  /** Waits for a line of JSON with this `event`, and returns it. */
  async event<T = Record<string, unknown>>(name: string, deadlineMs = 30_000): Promise<T> {
    const find = (): Record<string, unknown> | undefined => this.events().find(({ event }) => event === name);
    const isOver = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null;
    await until(
      () => find() !== undefined || isOver(),
      deadlineMs,
      () => `${name}; so far:\n${this.out}\n${this.err}`,
    );
    const found = find();
    if (found === undefined) throw new Error(`ended without ${name}:\n${this.out}\n${this.err}`);
    return found as T;
  }

  /** All complete lines of JSON so far. */
  events(): Record<string, unknown>[] {
    const lines = this.out.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

const running = new Set<CommandProcess>();

/** Starts a command that a test ends itself; `killCommands` ends what is left. */
export function start(args: readonly string[], options?: CommandOptions): CommandProcess {
  const command = new CommandProcess(args, options);
  running.add(command);
  void command.ended().then(() => running.delete(command));
  return command;
}

/** Runs a command to its end. */
export function run(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return start(args, options).ended();
}

/** Ends every command that is left, or is in one directory, at once but with the servers that it started: by a second signal. */
export async function killCommands(cwd?: string): Promise<void> {
  for (const command of running) {
    if (cwd !== undefined && command.cwd !== cwd) continue;
    const { child } = command;
    await until(() => !child.kill('SIGTERM') || child.exitCode !== null, 10_000, 'the end of a command');
    await command.ended();
  }
}
