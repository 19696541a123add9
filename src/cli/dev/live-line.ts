/** The status of `dev` while it runs: one line that is redrawn on a terminal, a plain line now and then elsewhere. */
import type { Terminal } from '../terminal.js';
import type { Progress } from './progress.js';

/** Rates are measured over this much time, ms. */
const RATE_MS = 3_000;

/** Events applied per second, from totals that come in steps. */
export class RateMeter {
  readonly #points: { readonly at: number; readonly total: number }[] = [];

  /** Rate after `total` at `now` (ms). */
  rate(now: number, total: number): number {
    this.#points.push({ at: now, total });
    while (this.#points.length > 2 && now - this.#points[1]!.at >= RATE_MS) this.#points.shift();
    const oldest = this.#points[0]!;
    return now === oldest.at ? 0 : Math.max(0, ((total - oldest.total) * 1000) / (now - oldest.at));
  }
}

/** The parts of a status line: `498/s`, `applied 12,345`, `duplicates 371`, … */
export function statusParts(progress: Progress, rate: number): string[] {
  const { applied, duplicates, late, dead, buffered, lag, checkpointAgeMs, halted } = progress;
  const age = checkpointAgeMs === undefined ? 'none' : `${(checkpointAgeMs / 1000).toFixed(1)} s`;
  const parts = [
    `${Math.round(rate).toLocaleString('en-US')}/s`,
    `applied ${applied.toLocaleString('en-US')}`,
    `duplicates ${duplicates.toLocaleString('en-US')}`,
    `late ${late}`,
    `buffered ${buffered.toLocaleString('en-US')}`,
    `lag ${lag.toLocaleString('en-US')}`,
    `checkpoint ${age}`,
  ];
  if (dead > 0) parts.push(`dead letters ${dead}`);
  if (halted.length > 0)
    parts.push(`HALTED ${halted.length} (partition ${halted[0]!.partition}: ${halted[0]!.reason})`);
  return parts;
}

const short: Readonly<Record<string, string>> = { duplicates: 'dupl', buffered: 'buf', checkpoint: 'ckpt' };

const shortened = (part: string): string => part.replace(/^\w+/, (word) => short[word] ?? word);

/** The last line of the terminal, redrawn in place; other lines go above it. */
export class LiveLine {
  readonly #terminal: Terminal;
  #shown = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows the parts, in short words on a narrow terminal, and cut there: a wrapped line could not be redrawn. */
  show(parts: readonly string[]): void {
    const width = Math.max(20, this.#terminal.columns - 1);
    const wide = parts.join(' · ');
    this.#shown = (wide.length <= width ? wide : parts.map(shortened).join('  ')).slice(0, width);
    this.#terminal.raw(`\r\u001b[2K${this.#shown}`);
  }

  /** Prints a line above. */
  print(text: string): void {
    this.#terminal.raw(`\r\u001b[2K${text}\n${this.#shown}`);
  }

  /** Leaves the line as it is and goes on below. */
  end(): void {
    if (this.#shown !== '') this.#terminal.raw('\n');
    this.#shown = '';
  }
}
