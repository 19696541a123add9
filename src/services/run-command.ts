/**
 * Runs one short-lived program and always comes back: every run has a time limit, and a program that fails, is missing
 * or hangs is a value, not an exception, so that the caller can try its next way and report all reasons together.
 */
import { type ExecFileException, execFile } from 'node:child_process';

interface CommandOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CommandEnd {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined after exit code 0; otherwise why the program did not succeed, with the end of its stderr. */
  readonly failure: string | undefined;
}

const outputBytesMax = 64 * 1024 * 1024;

/** Runs `file` to its end. Rejects only when `signal` is aborted. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<CommandEnd> {
  const { cwd, env, timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    execFile(
      file,
      [...args],
      { cwd, env, signal, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: outputBytesMax, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (signal?.aborted) reject(signal.reason);
        else resolve({ stdout, stderr, failure: error ? describe(file, args, error, stderr, timeoutMs) : undefined });
      },
    );
  });
}

/** The last lines of a text, without empty ones. */
export function lastLines(text: string, count: number): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-count);
}

function describe(
  file: string,
  args: readonly string[],
  error: ExecFileException,
  stderr: string,
  timeoutMs: number,
): string {
  if (error.code === 'ENOENT') return `${file} is not on this machine`;
  const verb = args.find((argument) => /^[a-z]/.test(argument));
  const command = verb === undefined ? file : `${file} ${verb}`;
  const how = error.killed ? `no end within ${timeoutMs / 1000} s` : `ended with ${error.code ?? error.signal}`;
  const tail = lastLines(stderr, 6).join(' | ');
  return tail === '' ? `${command}: ${how}` : `${command}: ${how}: ${tail}`;
}
