/** How far a long command is: one line on standard error that is redrawn on a terminal, and now and then a line elsewhere. */
import type { Terminal } from './terminal.js';

const REDRAW_MS = 100;
const REPEAT_MS = 5_000;

export class ProgressLine {
  readonly #terminal: Terminal;
  readonly #isQuiet: boolean;
  #at = performance.now();
  #isShown = false;

  /** `isQuiet`: nothing at all, for programs. */
  constructor(terminal: Terminal, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#isQuiet = isQuiet;
  }

  show(text: string): void {
    const now = performance.now();
    if (this.#isQuiet || now - this.#at < (this.#terminal.isInteractive ? REDRAW_MS : REPEAT_MS)) return;
    this.#at = now;
    if (this.#terminal.isInteractive) process.stderr.write(`\r\u001b[2K${text.slice(0, this.#terminal.columns - 1)}`);
    else this.#terminal.err(text);
    this.#isShown = this.#terminal.isInteractive;
  }

  /** The place is free for other lines. */
  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[2K');
    this.#isShown = false;
  }
}
