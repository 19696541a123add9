/** What `dev` says, in the three ways it may be read: on a terminal, as plain lines, as lines of JSON. */
import type { LogLine } from '../../ports/log.js';
import type { Terminal } from '../terminal.js';
import { LiveLine, RateMeter, statusParts } from './live-line.js';
import type { Progress } from './progress.js';

const REDRAW_MS = 250;
const LINE_MS = 5_000;
/** The same event of the log is said again after so long a silence. */
const SILENT_MS = 5_000;

export class DevOutput {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #live: LiveLine | undefined;
  readonly #rate = new RateMeter();
  readonly #said = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
    this.#live = terminal.isInteractive && !json ? new LiveLine(terminal) : undefined;
  }

  /** A line for people; nothing as JSON. */
  say(text: string): void {
    if (this.#json) return;
    if (this.#live === undefined) this.#terminal.out(text);
    else this.#live.print(text);
  }

  /** Something that happened: `text` for people, `fields` for programs. */
  tell(event: string, fields: object, text: string): void {
    if (this.#json) this.#terminal.out(JSON.stringify({ event, ...fields }));
    else this.say(text);
  }

  /** The log of the node: warnings and errors only, short, and what each partition repeats only once. */
  readonly line: LogLine = (level, event, fields) => {
    if (level === 'debug' || level === 'info' || event === 'stream.warning') return;
    const now = performance.now();
    const kind = `${event} ${(fields as { code?: string }).code ?? ''}`;
    const saidAt = this.#said.get(kind) ?? Number.NEGATIVE_INFINITY;
    this.#said.set(kind, now);
    if (now - saidAt < SILENT_MS) return;
    const words = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
    this.tell('log', { level, name: event, ...fields }, `${level}: ${event} ${words.join(' ')}`);
  };

  /** Shows what `progress` says, until `stopStatus`. */
  startStatus(progress: () => Progress): void {
    const show = (): void => {
      const now = progress();
      const rate = this.#rate.rate(performance.now(), now.applied);
      const parts = statusParts(now, rate);
      if (this.#live === undefined) this.tell('status', { rate: Math.round(rate), ...now }, parts.join(' · '));
      else this.#live.show(parts);
    };
    this.#rate.rate(performance.now(), progress().applied);
    this.#timer = setInterval(show, this.#live === undefined ? LINE_MS : REDRAW_MS);
  }

  stopStatus(): void {
    clearInterval(this.#timer);
    this.#live?.end();
  }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return /[\s"=]/.test(text) && typeof value === 'string' ? JSON.stringify(text) : text;
}
