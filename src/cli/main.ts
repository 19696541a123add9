#!/usr/bin/env node
/** The command `millrace`. What takes time to load comes after the signals have somebody to go to. */
import { keepSignals } from './early-signals.js';

/** So long a connection that does not close may hold up the end. */
const LINGER_MS = 2_000;

keepSignals();
const { runCommand } = await import('./command.js');
process.exitCode = await runCommand(process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
