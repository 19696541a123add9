/** One planted fault: a replacement in the built tree that breaks one rule in one place. */
export interface Mutant {
  readonly id: string;
  /** What is broken, in the words of the list of faults that must not survive. */
  readonly failure: string;
  /** Built file, below `dist/src`. */
  readonly file: string;
  /** Text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test files below `dist/test`, without `.test.js`, likeliest first; the simulator follows by itself. */
  readonly suites: readonly string[];
}
