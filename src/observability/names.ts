/**
 * Every name that dashboards, alerts and log queries may rely on: metrics and log events, each with what it means.
 * Labels come from closed sets only; a test keeps the log events and those in the code equal.
 */
import type { ErrorCode } from '../errors.js';
import { errorTable } from '../errors.js';
import { handlerBoundsMs, latencyBoundsMs } from '../protocol/timing.js';
import type { NodePhase } from '../runtime/node-status.js';
import type { PartitionPhase } from '../runtime/partition-table.js';

/**
 * `counter`: never falls while the process lives, and begins at 0 with it. `gauge`: how things stand now. `histogram`:
 * counters by upper bound, with `_bucket`, `_sum` and `_count` after the name.
 */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Upper bounds of a histogram, ms; the metric has seconds. */
  readonly boundsMs?: readonly number[];
  /** Label and every value that it can have. */
  readonly label?: { readonly name: string; readonly values: readonly string[] };
}

const nodePhases: readonly NodePhase[] = ['new', 'starting', 'running', 'draining', 'stopped', 'failed'];
const partitionPhases: readonly PartitionPhase[] = ['unclaimed', 'claiming', 'running', 'halted', 'releasing'];
const errorCodes = Object.keys(errorTable) as readonly ErrorCode[];
/** Reasons of dead letters: the codes that condemn one event. */
const deadReasons = errorCodes.filter((code) => errorTable[code].category === 'poison');

const counter = (help: string, name?: string, values: readonly string[] = []): MetricRow =>
  name === undefined ? { type: 'counter', help } : { type: 'counter', help, label: { name, values } };
const gauge = (help: string, name?: string, values: readonly string[] = []): MetricRow => ({
  ...counter(help, name, values),
  type: 'gauge',
});
const histogram = (help: string, boundsMs: readonly number[]): MetricRow => ({ type: 'histogram', help, boundsMs });

/** Counters of events count what partitions decided since this process first saw them; see tally.ts. */
export const metricTable = {
  millrace_events_read_total: counter('Events read from the stream, those of partitions owned elsewhere included.'),
  millrace_events_applied_total: counter('Events applied by the handler.'),
  millrace_events_duplicate_total: counter('Events dropped because their id was seen before.'),
  millrace_events_conflict_total: counter('Duplicates whose body was not the first one: a publisher reuses ids.'),
  millrace_events_late_total: counter('Events that came after a newer one of their key was applied.'),
  millrace_sequence_numbers_skipped_total: counter("Numbers of keys' own sequences that were given up waiting for."),
  millrace_events_clamped_total: counter('Events whose time was too far ahead and was taken back.'),
  millrace_events_dead_total: counter('Events set aside, by reason.', 'reason', deadReasons),
  millrace_events_forced_total: counter('Events applied before their time because the buffer was full.'),
  millrace_dedupe_evicted_early_total: counter('Ids forgotten before the horizon because dedupe.ids was reached.'),
  millrace_partition_recoveries_total: counter('Partitions claimed again after they had run.'),
  millrace_partitions_handed_over_total: counter('Partitions taken from a node that had let go of them.'),
  millrace_partitions_taken_over_total: counter('Partitions taken from a node that was gone.'),
  millrace_partitions_released_total: counter('Partitions given away with everything stored.'),
  millrace_partitions_lost_total: counter('Partitions that another node claimed while this one ran them.'),
  millrace_handover_replayed_events_total: counter('Events applied again after a hand-over; 0 while drains are clean.'),
  millrace_commits_total: counter('Checkpoints stored.'),
  millrace_commit_seconds_total: counter('Time that checkpoints took, divided by commits_total the mean.'),
  millrace_commit_keys_total: counter('States of keys written by checkpoints.'),
  millrace_sink_rows_total: counter('Rows written to the status table.'),
  millrace_sink_resyncs_total: counter('Partitions whose rows in the status table were all compared.'),

  millrace_handler_calls_total: counter('Events given to the handler, those that it refused included.'),
  millrace_handler_seconds: histogram(
    'Time of a handler call; one in 16 is looked at, in every thread.',
    handlerBoundsMs,
  ),
  millrace_event_applied_seconds: histogram(
    'From the time of an event until it was applied; a sample.',
    latencyBoundsMs,
  ),
  millrace_event_durable_seconds: histogram(
    'From the time of an event until it was stored; a sample.',
    latencyBoundsMs,
  ),
  millrace_hot_key_share: gauge('Part of a thread’s work that its busiest key is; the largest of the threads.'),

  millrace_node_phase: gauge('1 for the phase that the node is in, else 0.', 'phase', nodePhases),
  millrace_partitions: gauge('Partitions of this node, by phase.', 'phase', partitionPhases),
  millrace_partitions_halted: gauge('Halted partitions, by the code of the error.', 'code', errorCodes),
  millrace_unread_events: gauge('Lag: events of the stream that this node has not read; absent while unknown.'),
  millrace_buffered_events: gauge('Events that wait for their turn.'),
  millrace_in_flight_bytes: gauge('Bytes between the stream and the threads.'),
  millrace_checkpoint_age_seconds: gauge('Age of the oldest newest checkpoint; grows where no events come, too.'),
  millrace_resident_keys: gauge('Keys whose state is in memory.'),
  millrace_dedupe_ids: gauge('Ids that are remembered.'),
  millrace_dead_letters: gauge('Dead letters that are stored.'),
  millrace_thread_restarts: gauge('Threads lost within a minute of the newest loss; the sixth ends the node.'),
  millrace_thread_heap_bytes: gauge('Heap of the threads together.'),
  millrace_sink_lag_seconds: gauge('Age of the oldest checkpoint that the status table does not show yet.'),
  millrace_sink_waiting_keys: gauge('Keys whose rows in the status table are to be written.'),

  millrace_heap_bytes: gauge('Heap of the main thread that is in use.'),
  millrace_resident_memory_bytes: gauge('Memory of the process.'),
  millrace_cpu_seconds_total: counter('Processor time of the process, all threads.'),
  millrace_event_loop_delay_seconds: gauge('How late the main thread was since the last scrape.', 'quantile', [
    '0.5',
    '0.99',
    '1',
  ]),
} as const satisfies Readonly<Record<`millrace_${string}`, MetricRow>>;

export type MetricName = keyof typeof metricTable;

/**
 * Work that is tried again while the outside is away: `<name>.waiting` with the first failure, `<name>.recovered` when
 * it went through, `<name>.abandoned` when it was no longer wanted. Of one outage only the first and the last are shown.
 */
const retriedWork = {
  'checkpoint.commit': 'storing a checkpoint',
  'checkpoint.compare': 'comparing the stored checkpoint with our own',
  'cluster.join': 'joining the other nodes',
  'log.read': 'reading the stream from the oldest position on',
  'output.publish': 'publishing what a handler emitted',
  'partition.claim': 'claiming a partition',
  'partition.holder': 'asking who took a partition over',
  'partition.release': 'letting go of a partition',
  'partition.verify': 'comparing the stream with a checkpoint',
  services: 'connecting to NATS and Redis and checking them',
  'state.load': 'loading states of keys',
} as const;

/** Names of log events, and what each says. */
export const logEvents: Readonly<Record<string, string>> = {
  'checkpoint.rebuild': 'A lost checkpoint is rebuilt from the start of the stream.',
  'handler.slow': 'A node falls behind because its handler takes most of a thread’s time.',
  'key.hot': 'A node falls behind because one key is a large part of a thread’s work; its events cannot be spread.',
  'http.change': 'An operator changed something over HTTP: released, skipped, edited or replayed.',
  'checkpoint.refused': 'The store refused a checkpoint, because another owner or another number is stored by now.',
  'cluster.beat': 'The other nodes could not be told that this one is there; it is tried again.',
  'cluster.gone': 'A node has not been heard of for a lease; its partitions are taken over.',
  'cluster.name': 'Another process may have the name of this node; one lease shows whether it is alive.',
  'cluster.watch': 'What the other nodes do could not be followed or read; it is tried again.',
  'http.failed': 'A request was answered with 500; here is why.',
  'log.behind':
    'The reading says that it is at the end of the stream, which goes on: its server lacks events. It is read again.',
  'log.restart': 'The reading of the stream begins anew after the position it had reached.',
  'nats.connected': 'The connection to NATS stands.',
  'nats.disconnected': 'The connection to NATS is lost; it is tried again.',
  'nats.error': 'NATS reports an error.',
  'nats.reconnected': 'The connection to NATS stands again.',
  'nats.waiting': 'No nats-server answers; it is tried again.',
  'node.drain.late': 'The drain took too long and was given up; what is not saved is replayed.',
  'node.failed': 'The node cannot go on; here is why.',
  'node.lease.lost': 'Another node has taken over, because this one was silent for too long.',
  'node.ready': 'Every partition of the node runs, or stands still with a reason that was logged.',
  'node.standby': 'Another node works on the database; this one waits for its turn.',
  'node.stopped': 'The node has saved everything decided and let go.',
  'node.stopping': 'The node was told to stop and drains.',
  'output.refused': 'An output cannot be published; it stays in the outbox.',
  'partition.fenced': 'A checkpoint was refused: another node took over, or the store went back in time.',
  'partition.gained': 'A partition that another node had runs here, after so many events that are applied again.',
  'partition.halted': 'A partition stopped and needs an operator.',
  'partition.lost': 'Another node has claimed a partition that ran here.',
  'partition.released': 'A partition was let go, for another node to take.',
  'partition.resumed':
    'An operator has made room in a partition that had stopped because it was full; it is claimed again.',
  'redis.connected': 'The connection to Redis stands.',
  'redis.disconnected': 'The connection to Redis is lost; it is tried again.',
  'redis.waiting': 'No Redis answers; it is tried again.',
  'sink.connected': 'The connection of the status sink stands.',
  'sink.recovered': 'The status table is written again.',
  'sink.waiting': 'The status table cannot be written; processing goes on, and the table catches up later.',
  'staging.prune.failed': 'Old events could not be removed from the SQL log; it is tried again.',
  'staging.pruned': 'Events that every partition has decided were removed from the SQL log for their age.',
  'stream.gap.accepted': 'Events that are gone from the stream were passed over, as acceptGap allows.',
  'stream.info': 'The end of the stream could not be asked for.',
  'stream.warning': 'The stream is set in a way that may lose events.',
  'thread.lost': 'A thread ended; it is replaced.',
  'thread.silent': 'A thread has said nothing for too long, so it spins or hangs; it is ended and replaced.',
  'thread.start.timeout': 'A thread did not start in time and is ended.',
  ...Object.fromEntries(
    Object.entries(retriedWork).flatMap(([name, work]) => [
      [`${name}.waiting`, `Waits and tries again: ${work}.`],
      [`${name}.recovered`, `Went through after failures: ${work}.`],
      [`${name}.abandoned`, `No longer tried after failures: ${work}.`],
    ]),
  ),
};
