/**
 * What happened to this node lately: its log from `info` on, the newest entries in memory, for people who ask what
 * changed. The log itself is the record; this is the look at it that needs no tool.
 */
import type { LogLine } from '../ports/log.js';
import { logEvents } from './names.js';
import { redactCredentials } from './redact.js';

export interface TimelineEntry {
  /** Grows by one with every entry of this process. */
  readonly id: number;
  /** Wall clock, epoch ms. */
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  /** What the event means, one sentence. */
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

const ENTRIES_MAX = 500;
const TEXT_MAX = 300;

export class Timeline {
  readonly #now: () => number;
  readonly #entries: TimelineEntry[] = [];
  #last = 0;

  /** `now`: wall clock, epoch ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A log line that also remembers what passes through it. */
  through(line: LogLine): LogLine {
    return (level, event, fields) => {
      line(level, event, fields);
      if (level !== 'debug') this.#add(level, event, fields);
    };
  }

  /** Entries after `id`, oldest first, at most the newest `limit`. An id of another process is ahead of ours: all. */
  after(id: number, limit = ENTRIES_MAX): readonly TimelineEntry[] {
    const from = id > this.#last ? 0 : id;
    return this.#entries.filter((entry) => entry.id > from).slice(-limit);
  }

  #add(level: TimelineEntry['level'], event: string, fields: object): void {
    const text = logEvents[event] ?? '';
    this.#entries.push({ id: ++this.#last, at: this.#now(), level, event, text, fields: plain(fields) });
    if (this.#entries.length > ENTRIES_MAX) this.#entries.shift();
  }
}

/** Numbers, truth values and short texts without credentials; everything else is for the log. */
function plain(fields: object): TimelineEntry['fields'] {
  const kept: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'number' || typeof value === 'boolean') kept[name] = value;
    else if (typeof value === 'string') kept[name] = redactCredentials(value).slice(0, TEXT_MAX);
  }
  return kept;
}
