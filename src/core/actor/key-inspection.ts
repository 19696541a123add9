/** What a partition knows of one key, for a person: what waits and for what, and what was lately not simply applied. */
import type { Arrival } from './arrival.js';
import type { DecisionNote } from './decision-log.js';
import type { KeyWait } from './key-wait.js';
import type { Quarantine } from './parking.js';

/** An event of the key that is not decided yet. */
export interface WaitingEvent {
  readonly id: string;
  /** Stream sequence. */
  readonly sequence: number;
  /** Event time, epoch ms. */
  readonly time: number;
  /** For a person. */
  readonly reason: string;
}

export interface KeyInspection {
  readonly quarantine: Quarantine | null;
  /** The first ones in the order in which they will be applied; `waitingCount` says how many there are. */
  readonly waiting: readonly WaitingEvent[];
  readonly waitingCount: number;
  /** Newest first. */
  readonly notes: readonly DecisionNote[];
}

export interface KeyInspectionParts {
  readonly held: Iterable<Arrival>;
  readonly wait: KeyWait | undefined;
  /** Number of the key's own sequence that is applied next. */
  readonly next: number | undefined;
  readonly watermark: number;
  readonly notes: readonly DecisionNote[];
}

const LISTED_MAX = 20;

export function inspectKey(key: string, { held, wait, next, watermark, notes }: KeyInspectionParts): KeyInspection {
  const found: WaitingEvent[] = [];
  const add = ({ event, time, streamSequence }: Arrival, reason: string): void => {
    found.push({ id: event.id, sequence: streamSequence, time, reason });
  };
  const quarantine = wait?.quarantine;
  const parkedFor =
    quarantine === undefined ? `waits for number ${next} of its key` : `parked: ${quarantine.problems.join('; ')}`;
  for (const arrival of wait?.parked ?? []) add(arrival, parkedFor);
  for (const arrival of wait?.waiting ?? []) add(arrival, 'the state of its key is being loaded');
  const buffered = [...held].filter(({ event }) => event.key === key);
  buffered.sort((a, b) => a.time - b.time || a.streamSequence - b.streamSequence);
  for (const arrival of buffered)
    add(
      arrival,
      `held for earlier events until the watermark passes, ${Math.max(0, arrival.time - watermark)} ms ahead`,
    );
  return {
    quarantine: quarantine ?? null,
    waiting: found.slice(0, LISTED_MAX),
    waitingCount: found.length,
    notes: notes.slice(-LISTED_MAX).reverse(),
  };
}
