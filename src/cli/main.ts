#!/usr/bin/env node
/** The command `millrace`. Its exit code is 0 ok, 1 a finding, 2 wrong usage, 3 a server cannot be reached. */
import { CommanderError } from 'commander';
import { exitCode, exitCodeOf } from './exit-codes.js';
import { createProgram } from './program.js';
import { errorJson, errorText } from './show-error.js';
import { processTerminal } from './terminal.js';

/** So long a connection that does not close may hold up the end. */
const LINGER_MS = 2_000;

const terminal = processTerminal();

async function main(args: readonly string[]): Promise<number> {
  let code: number = exitCode.ok;
  const program = createProgram({
    terminal,
    end: (value) => {
      code = value;
    },
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

process.exitCode = await main(process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
