/**
 * The one error table. Every error Millrace throws or reports has a row here: a stable code, the category
 * that tells the engine what must happen next, and a sentence that tells a person what to do.
 * The error reference in docs/errors.md is generated from it, and a test keeps the two equal.
 */

/**
 * What the engine does with an error.
 * - `transient`: outside busy or away; retry with back-off, order kept
 * - `poison`: this event cannot be handled; dead letter with its reason
 * - `fenced`: we no longer own it; drop memory, never write
 * - `corrupt`: stored data cannot be trusted; halt the partition loudly
 * - `misuse`: options or API used wrongly; throw to the caller, all problems at once
 * - `bug`: an invariant is broken; stop the node
 */
export type ErrorCategory = 'transient' | 'poison' | 'fenced' | 'corrupt' | 'misuse' | 'bug';

interface ErrorRow {
  readonly category: ErrorCategory;
  /** What the user does about it, as one sentence. */
  readonly next: string;
}

const row = (category: ErrorCategory, next: string): ErrorRow => ({ category, next });

export const errorTable = {
  // Outside away or busy.
  NATS_UNREACHABLE: row(
    'transient',
    'Start nats-server or correct --nats / NATS_URL; Millrace connects as soon as it answers.',
  ),
  NATS_REFUSED: row('misuse', 'Correct the user, password, token or credentials file.'),
  REDIS_UNREACHABLE: row(
    'transient',
    'Start redis-server or correct --redis / REDIS_URL; Millrace connects as soon as it answers.',
  ),
  REDIS_UNAVAILABLE: row(
    'transient',
    'Redis answers but refuses writes; read the reason, free disk or memory, or wait until it has loaded.',
  ),
  COMMIT_TIMEOUT: row(
    'transient',
    'Redis did not answer in time; the record is read back to learn whether the commit happened.',
  ),
  SQL_UNREACHABLE: row(
    'transient',
    'Start the database or correct --sql / MILLRACE_SQL_URL; Millrace connects as soon as it answers.',
  ),
  SQL_UNAVAILABLE: row(
    'transient',
    'The database refuses the work for now; read the reason, free the disk, or end whoever holds the lock.',
  ),
  SINK_UNAVAILABLE: row(
    'transient',
    'Start Postgres or correct --status-sink; processing goes on meanwhile, and the table catches up.',
  ),
  NODE_UNREACHABLE: row('transient', 'Start a node with `millrace run`, or point --url at one that runs.'),
  NOT_REFLECTED: row('transient', 'The event was not durable within the deadline; ask again with a longer `wait`.'),

  // One event cannot be handled.
  EVENT_INVALID: row('poison', 'Correct the publisher; the original bytes are kept in the dead letter.'),
  EVENT_TOO_LARGE: row('poison', 'Publish smaller events, or raise limits.payloadBytes.'),
  EVENT_TOO_DEEP: row('poison', 'Flatten the body; nesting is limited to 64 levels.'),
  EVENT_NOT_UTF8: row('poison', 'Publish the body as UTF-8.'),
  EVENT_KEY_INVALID: row(
    'poison',
    'Use a key of 1 to 256 bytes of UTF-8 without control characters, percent-encoded as a subject token.',
  ),
  EVENT_TIME_AHEAD: row('poison', 'Correct the publisher\'s clock, or set order.ahead to "clamp".'),
  HANDLER_THREW: row('poison', 'Correct the handler or the event, then replay the dead letter.'),
  STATE_INVALID: row(
    'poison',
    'Return a state that is plain JSON data; undefined, functions, cycles and BigInt cannot be stored.',
  ),
  EVENT_UNNUMBERED: row('poison', 'Publish a sequence with every event of the key, or choose another order.'),
  EVENT_LATE: row('poison', 'Widen order.settle, or choose another late policy.'),

  // No longer ours.
  FENCED: row(
    'fenced',
    'Another node owns the partition or the store went back in time; this one drops its memory and claims again.',
  ),

  // Stored data cannot be trusted.
  LOST_CHECKPOINT: row('corrupt', 'Restore the Redis data, or accept the loss for this partition with --accept-gap.'),
  CORRUPT_CHECKPOINT: row(
    'corrupt',
    'Restore the Redis data from a backup or a savepoint; the partition starts from nothing else.',
  ),
  SQL_DAMAGED: row(
    'corrupt',
    'Restore the database from a backup; SQLite says that the file is damaged or none of its own.',
  ),
  RESTORE_UNFINISHED: row('corrupt', 'Run the restore again to its end; nothing of a half-filled partition is used.'),
  SAVEPOINT_INVALID: row(
    'misuse',
    'Use a savepoint that was written to its end, for the stream that it was made from.',
  ),
  TARGET_NOT_EMPTY: row('misuse', 'Restore under another --app, or say --replace to give up what is stored there.'),
  PARTITION_BUSY: row('transient', 'Stop the node or wait for a quieter hour, then try again.'),
  CHECKPOINT_FORMAT: row('corrupt', 'Run the Millrace version that wrote the checkpoint, or one that can read it.'),
  GAP: row(
    'corrupt',
    'Events of this range are gone from the stream; restore the stream, or go on without them with --accept-gap.',
  ),
  REGRESSION: row(
    'corrupt',
    'The stream lost its tail or was recreated; restore the stream, or go on from what is there with --accept-gap.',
  ),
  STREAM_AMBIGUOUS: row(
    'corrupt',
    'Restore the stream as it was when its partitions left it; what it took later must be published again.',
  ),
  PARKED_FULL: row('corrupt', 'Release or skip quarantined keys, or raise limits.parked; the partition then goes on.'),
  SEQUENCE_GAP: row(
    'corrupt',
    'Publish the missing event, or choose another order.gap; the partition goes on when it is restarted.',
  ),
  DEAD_LETTERS_FULL: row(
    'corrupt',
    'Look at the dead letters, correct their cause and remove them; the partition then goes on.',
  ),

  // Used wrongly.
  OPTIONS_INVALID: row('misuse', 'Correct the options that are listed.'),
  HANDLER_INVALID: row('misuse', 'Export one actor made with defineActor from the handler module.'),
  STREAM_MISSING: row('misuse', 'Create the stream with `millrace provision`.'),
  STREAM_UNSUITABLE: row(
    'misuse',
    'Correct the stream configuration that is listed, or let `millrace provision` create the stream.',
  ),
  REDIS_UNSUITABLE: row('misuse', 'Set `maxmemory-policy noeviction`; any other policy deletes checkpoints.'),
  SQL_REFUSED: row('misuse', 'Correct the URL, the user, the password or the permissions of the database.'),
  SQL_IN_USE: row('misuse', 'Stop the process that is named, or give this one another database.'),
  SQL_SCHEMA: row(
    'misuse',
    'Run `millrace provision` to make the tables or migrate older ones; newer ones need the version that made them.',
  ),
  LAYOUT_MISMATCH: row(
    'misuse',
    'Start with the stored partition count and a Millrace version that reads the stored format, or use another --app name.',
  ),
  OWNED_ELSEWHERE: row('misuse', 'Ask the node that is named, or read states, which every node answers.'),
  NODE_NAME_TAKEN: row(
    'misuse',
    'Give every node a name of its own with `node`, or stop the other process; a dead one counts for one lease.',
  ),
  REQUEST_INVALID: row('misuse', 'Correct the request; every problem is listed.'),
  SERVERS_MISSING: row('misuse', 'Install nats-server and redis-server, or name running ones with --nats and --redis.'),
  INTERRUPTED: row('misuse', 'Run it again when there is time; the message says what is left.'),
  PORT_IN_USE: row('misuse', 'Stop the program that listens there, or choose another port.'),
  NOT_FOUND: row('misuse', 'Check the name; nothing is stored under it.'),
  FORBIDDEN: row('misuse', 'Send the token that the node was started with.'),
  READ_ONLY: row('misuse', 'Use the command line, or start the node with --http-actions to allow it from the browser.'),

  // An invariant is broken.
  THREAD_LOST: row('bug', 'The thread is restarted from its checkpoints; if it happens again, report the log.'),
  BUG: row('bug', 'Report it with the log; the node stops rather than go on wrongly.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a stable code, the category that decides what happens next, and every problem found. */
export class MillraceError extends Error {
  readonly code: ErrorCode;
  readonly problems: readonly string[];

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; problems?: readonly string[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.problems = options.problems ?? [];
  }

  get category(): ErrorCategory {
    return errorTable[this.code].category;
  }

  /** What the user does next, one sentence. */
  get next(): string {
    return errorTable[this.code].next;
  }
}

/** The code of any thrown value: our own, or `BUG` for what nobody classified. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof MillraceError ? error.code : 'BUG';
}

/** Message of any thrown value, one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').trim();
}
