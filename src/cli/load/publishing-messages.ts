/** What the command and its publishing processes tell each other. */
import type { LoadTarget } from '../../compose/load-target.js';
import type { ErrorCode } from '../../errors.js';
import type { EventOptions } from './event-maker.js';
import type { ProfileOptions } from './rate-profile.js';

/** What one publishing process does: every nth event of the schedule. */
export interface PublishingTask {
  readonly target: LoadTarget;
  readonly publishSubject: string;
  readonly partitions: number;
  readonly profile: ProfileOptions;
  readonly events: EventOptions;
  /** Which of how many publishers. */
  readonly index: number;
  readonly publishers: number;
  /** Events that may wait for their acknowledgement. */
  readonly window: number;
  /** Events a second, of this publisher, that are followed until they are durable. */
  readonly samples: number;
  /** Latencies of events of the first so many ms are not counted: code is compiled, connections and caches are warm after. */
  readonly warmUpMs: number;
  /** Keys with smaller numbers are counted one by one. */
  readonly countedKeys: number;
  /** How long after the end of the schedule events are still sent and waited for. */
  readonly graceMs: number;
}

export type ToPublisher =
  | { readonly kind: 'open'; readonly task: PublishingTask }
  /** `at` on the clock that all processes of the machine share, ms; `epochMs` is the same moment. */
  | { readonly kind: 'start'; readonly at: number; readonly epochMs: number }
  | { readonly kind: 'stop' };

/** An event to follow, told before it is sent. Times on the shared clock, ms. */
export interface Sample {
  readonly key: string;
  readonly id: string;
  readonly partition: number;
  /** The moment that the schedule gave it. */
  readonly scheduledAt: number;
}

/** Where it was stored, and when that was acknowledged. */
export interface SampleStored {
  readonly stream: string;
  readonly sequence: number;
  readonly at: number;
}

/** What happened since the last one. */
export interface PublishingTally {
  readonly sent: number;
  readonly acknowledged: number;
  /** Acknowledged repeats, and how many of all the log itself knew already. */
  readonly repeats: number;
  readonly known: number;
  /** Events without an acknowledgement, by reason. */
  readonly failures: Readonly<Partial<Record<ErrorCode, number>>>;
  /** From the scheduled moment to the sending, and to the acknowledgement, µs. */
  readonly sentMicros: Uint32Array;
  readonly acknowledgedMicros: Uint32Array;
}

/** Acknowledged events of a key, repeats left out. */
export interface KeyCount {
  readonly keyNumber: number;
  readonly events: number;
  /** Newest time, epoch ms. */
  readonly newest: number;
  /** Where the last acknowledged one is. */
  readonly stream: string;
  readonly sequence: number;
  readonly partition: number;
}

export type FromPublisher =
  | { readonly kind: 'ready' }
  | { readonly kind: 'tally'; readonly tally: PublishingTally }
  | { readonly kind: 'sample'; readonly sample: Sample }
  /** Of a sample; undefined where it failed. */
  | { readonly kind: 'stored'; readonly id: string; readonly stored: SampleStored | undefined }
  | { readonly kind: 'done'; readonly keys: readonly KeyCount[] }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

const offset = Number(process.hrtime.bigint() / 1_000n) / 1_000 - performance.now();

/** Monotonic ms since some moment, the same one in all processes of the machine. */
export const sharedNow = (): number => performance.now() + offset;
