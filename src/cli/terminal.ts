/** What a command talks to: two output streams, one input stream and the environment. */

export interface Terminal {
  readonly env: NodeJS.ProcessEnv;
  readonly input: NodeJS.ReadStream;
  /** Both input and output are a person's; only then are lines redrawn. */
  readonly isInteractive: boolean;
  /** Width of the terminal, 80 where nobody knows. */
  readonly columns: number;
  /** Results: `text` and a line break on standard output. */
  out(text: string): void;
  /** What is going on, and errors: `text` and a line break on standard error. */
  err(text: string): void;
  /** `text` as it is, on standard output. */
  raw(text: string): void;
}

/** The terminal of this process. A reader that has gone away (`| head`, a closed window) is no error. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined);
  return {
    env,
    input: stdin,
    isInteractive: stdout.isTTY === true && stdin.isTTY === true,
    get columns() {
      return stdout.columns || 80;
    },
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    raw: (text) => void stdout.write(text),
  };
}
