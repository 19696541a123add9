/** Where a demo lives: what `dev` needs of the servers, or of the file, that hold its events and states. */
import type { Options } from '../../options/types.js';
import type { LogLine } from '../../ports/log.js';
import type { OutgoingEvent } from './account-events.js';
import type { StoredAccounts } from './stored-accounts.js';
import type { Capture, CapturedEvent } from './stream-capture.js';

/** The connections of a demo while it runs, and for the verdict after the node has drained. */
export interface DemoWorld {
  /** Nothing can be published at the moment, and what is published now would be lost or come late. */
  readonly isAway: boolean;
  /** Publishes and does not wait. */
  publish(event: OutgoingEvent): void;
  /** Publishes the last event; settles with the last sequence of each stream once it and all before it are stored. */
  publishLast(event: OutgoingEvent): Promise<readonly number[]>;
  /** Name of the store, for the verdict. */
  readonly store: string;
  /** Everything in the stream, in order, read by plain means that share nothing with the node. */
  capture(take: (event: CapturedEvent) => void): Promise<Capture>;
  /** Everything that is stored, read by plain means. */
  accounts(): Promise<StoredAccounts>;
  close(): Promise<void>;
}

/** What people are told of a place. */
export interface PlaceText {
  /** In "keeps the state of every account in …". */
  readonly store: string;
  /** Name and description, one line each. */
  readonly parts: readonly (readonly [name: string, description: string])[];
  /** Commands that show the state of a key without a node. */
  readonly look: readonly string[];
  /** The part of `millrace publish` that leads there, and other ways to publish. */
  readonly publishFlags: string;
  readonly publishOtherwise: string;
}

export interface DemoPlace {
  /** Flags that lead the node there, where nobody has named another place. */
  readonly flags: Readonly<Record<string, string>>;
  /** Fields of the `ready` line. */
  readonly fields: object;
  text(options: Options, key: string): PlaceText;
  connect(options: Options, line: LogLine, signal: AbortSignal): Promise<DemoWorld>;
  /** Ends what was started here; removes its data if `remove`. */
  stop(remove: boolean): Promise<void>;
}

export interface PlaceOptions {
  readonly dir: string;
  /** Go on with the data of the last time. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}
