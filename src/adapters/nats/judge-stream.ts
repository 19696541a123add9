/**
 * Whether a stream can be read whole and in order, for ever: every reason why not, and what a person should know.
 *
 * The rule behind most rows: messages may go at the front of a stream, by age or size, and nowhere else. A hole in the
 * middle is what loss looks like, and halts the partition.
 */
import type { StreamConfig, StreamSource } from '@nats-io/jetstream';

/** The stream that the options ask for. */
export interface StreamSettings {
  readonly name: string;
  /** Subjects that the stream must take, wildcards allowed. */
  readonly subjects: readonly string[];
  readonly replicas: number;
  /** Age at which messages go, ms; 0 for never. */
  readonly maxAgeMs: number;
  /** Size at which the oldest messages go, bytes; 0 for no limit. */
  readonly maxBytes: number;
  /** How long the server recognises a repeated id, ms. */
  readonly duplicateWindowMs: number;
}

export interface Judgement {
  /** Why the stream must not be used, each a clause with its reason. */
  readonly problems: readonly string[];
  /** What may be meant so, each a clause with what it leads to. */
  readonly warnings: readonly string[];
}

const NANOS_PER_MS = 1_000_000;
/** A node that comes back finds the events since its last checkpoint only if they are still there. */
const HISTORY_MS_MIN = 3_600_000;

/** Judges the configuration that the server reports. Fields that older servers do not know may be missing. */
export function judgeStream(config: Partial<StreamConfig>, settings: StreamSettings): Judgement {
  return { problems: problemsOf(config, settings), warnings: warningsOf(config, settings) };
}

function problemsOf(config: Partial<StreamConfig>, settings: StreamSettings): string[] {
  const problems: string[] = [];
  const { retention, mirror, sources = [], subjects = [] } = config;
  if (retention === 'workqueue' || retention === 'interest')
    problems.push(`retention is ${retention}: the server deletes what any consumer acknowledges; it must be limits`);
  const perSubject = config.max_msgs_per_subject ?? -1;
  if (perSubject > 0)
    problems.push(
      `max_msgs_per_subject is ${perSubject}: newer messages delete older ones in the middle of the stream`,
    );
  if (mirror !== undefined && isFiltered(mirror))
    problems.push(`it mirrors a part of ${mirror.name}: what is left out becomes holes`);
  const isCopy = mirror !== undefined || (sources.length > 0 && subjects.length === 0);
  for (const wanted of isCopy ? [] : settings.subjects) {
    if (!subjects.some((subject) => takesAll(subject, wanted)))
      problems.push(`it takes ${listOf(subjects)} and not all of ${wanted}: events published there are lost`);
  }
  return problems;
}

function warningsOf(config: Partial<StreamConfig>, settings: StreamSettings): string[] {
  const warnings: string[] = [];
  const { mirror, sources = [], subjects = [], subject_transform: transform } = config;
  const others = subjects.filter((subject) => !settings.subjects.some((wanted) => takesAll(wanted, subject)));
  if (others.length > 0) warnings.push(`it also takes ${listOf(others)}: what comes there is read as events too`);
  if (mirror !== undefined)
    warnings.push(`it mirrors ${mirror.name}: events are published there, and the duplicate window is the one there`);
  if (sources.length > 0)
    warnings.push(
      `it copies from ${listOf(sources.map(({ name }) => name))}: their numbers and times are not the ones read`,
    );
  if (transform !== undefined)
    warnings.push(
      `it changes subjects from ${transform.src} to ${transform.dest}: keys are read from the changed ones`,
    );
  if (config.storage === 'memory') warnings.push('storage is memory: a restart of the server loses all events');
  if (config.discard === 'new')
    warnings.push('discard is new: a full stream refuses events instead of dropping old ones');
  if (config.sealed === true) warnings.push('it is sealed: it takes no more events');
  if (config.no_ack === true) warnings.push('no_ack is set: publishers never learn whether an event is stored');
  if (config.allow_rollup_hdrs === true)
    warnings.push('allow_rollup_hdrs is set: a publisher can delete messages in the middle of the stream');
  if (config.allow_msg_ttl === true)
    warnings.push('allow_msg_ttl is set: messages can go one by one, and each leaves a hole');
  return [...warnings, ...limitWarnings(config, settings)];
}

function limitWarnings(config: Partial<StreamConfig>, settings: StreamSettings): string[] {
  const warnings: string[] = [];
  const maxAgeMs = (config.max_age ?? 0) / NANOS_PER_MS;
  const windowMs = (config.duplicate_window ?? 0) / NANOS_PER_MS;
  if (maxAgeMs > 0 && maxAgeMs < HISTORY_MS_MIN)
    warnings.push(`max_age is ${maxAgeMs} ms: events must outlive every outage and rollback, an hour at the least`);
  if (windowMs < settings.duplicateWindowMs && config.mirror === undefined)
    warnings.push(`duplicate_window is ${windowMs} ms, asked for were ${settings.duplicateWindowMs} ms`);
  const replicas = config.num_replicas ?? 1;
  if (replicas < settings.replicas)
    warnings.push(`num_replicas is ${replicas}, asked for were ${settings.replicas}: fewer servers may fail`);
  return warnings;
}

/** True if every subject that `wanted` stands for is one that `pattern` takes. */
export function takesAll(pattern: string, wanted: string): boolean {
  const have = pattern.split('.');
  const want = wanted.split('.');
  for (const [at, token] of have.entries()) {
    if (token === '>') return want.length > at;
    const other = want[at];
    if (other === undefined || other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return want.length === have.length;
}

function isFiltered({ filter_subject: filter, subject_transforms: transforms = [] }: StreamSource): boolean {
  return (filter !== undefined && filter !== '' && filter !== '>') || transforms.length > 0;
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}
