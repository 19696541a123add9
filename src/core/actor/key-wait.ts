/** What a key waits for, while it waits: few keys do, so this is apart from their records. */
import type { Arrival } from './arrival.js';
import type { Quarantine } from './parking.js';

export interface KeyWait {
  readonly key: string;
  /** Its row in the keyed state. */
  readonly row: number;
  /** Due events in order, while the state is being loaded. */
  waiting: Arrival[] | undefined;
  /** Due events that may not be applied yet, in order (see Parking). */
  parked: Arrival[] | undefined;
  /** Stream time since which a number is missing before the first parked event, epoch ms. */
  gapSince: number | undefined;
  /** Why the key's events wait for an operator. */
  quarantine: Quarantine | undefined;
}

export function waitsForNothing({ waiting, parked, gapSince, quarantine }: KeyWait): boolean {
  return waiting === undefined && parked === undefined && gapSince === undefined && quarantine === undefined;
}
