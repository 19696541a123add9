/** One run of the command: exit code 0 ok, 1 a finding, 2 wrong usage, 3 a server cannot be reached. */
import { CommanderError } from 'commander';
import { takeKeptSignal } from './early-signals.js';
import { exitCode, exitCodeOf } from './exit-codes.js';
import { createProgram } from './program.js';
import { errorJson, errorText } from './show-error.js';
import { exitCodeOfSignal } from './stop-signals.js';
import { processTerminal } from './terminal.js';

/** Commands that stop in good order at a signal; the others just end. */
const SERVING: readonly string[] = ['run', 'dev'];

/** Runs a subcommand to its end; the exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  let code: number = exitCode.ok;
  const program = createProgram({
    terminal,
    end: (value) => {
      code = value;
    },
  });
  // Everything is loaded, and nothing is begun.
  program.hook('preAction', (_, command) => {
    const kept = SERVING.includes(command.name()) ? undefined : takeKeptSignal();
    if (kept !== undefined) process.exit(exitCodeOfSignal[kept]);
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // Help and version end this way too; what is wrong was printed by commander.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    terminal.err(args.includes('--json') ? errorJson(error) : errorText(error));
    return exitCodeOf(error);
  }
}
