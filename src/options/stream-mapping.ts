/**
 * How the server itself spreads events over several streams: an account mapping that writes the number of the partition
 * into the subject, and streams that each take the subjects of their partitions. Publishers publish as before.
 *
 *   events.*  →  events.{{partition(64,1)}}.{{wildcard(1)}}     the key stays in the stored subject
 *   events.*  →  events.{{partition(64,1)}}                     the key is read from a header or the body
 */
import type { Place } from '../core/event/event-format.js';
import { partitionsOf } from '../core/key/stream-share.js';

/** A mapping of the server's account, and where it leaves things. */
export interface StreamMapping {
  /** The subject that is published to, with wildcards. */
  readonly from: string;
  /** The subject that is stored, in the server's notation. */
  readonly to: string;
  /** Token of the stored subject that is the number of the partition, from 1 on. */
  readonly partitionToken: number;
  /** Tokens of a stored subject that also holds what was published; 0 where the key was left out. */
  readonly storedTokens: number;
}

/** What is wrong with `subjects` and `key` for more than one stream, as a clause, or undefined. */
export function problemOfMapping(subjects: readonly string[], key: Place): string | undefined {
  const [subject, ...others] = subjects;
  if (subject === undefined || others.length > 0)
    return 'stream.subjects must be one subject, so that one mapping says it all';
  if (subject.endsWith('>')) return `stream.subjects "${subject}" ends with >, which a mapping cannot spread`;
  const wildcards = subject.split('.').filter((token) => token === '*').length;
  if (wildcards === 0) return `stream.subjects "${subject}" has no * for the key`;
  return key.kind === 'token' || wildcards === 1
    ? undefined
    : `stream.subjects "${subject}" has ${wildcards} wildcards, and event.key does not say which of them is the key`;
}

/** The mapping for subjects without a problem. */
export function streamMapping(subjects: readonly string[], key: Place, partitions: number): StreamMapping {
  const from = subjects[0]!;
  const tokens = from.split('.');
  const wildcards = tokens.flatMap((token, at) => (token === '*' ? [at] : []));
  const keyAt = key.kind === 'token' ? key.index - 1 : wildcards[0]!;
  const number = `{{partition(${partitions},${wildcards.indexOf(keyAt) + 1})}}`;
  const [first] = wildcards as [number];
  const kept = tokens.map((token, at) => (token === '*' ? `{{wildcard(${wildcards.indexOf(at) + 1})}}` : token));
  const to = key.kind === 'token' ? kept.toSpliced(first, 0, number) : kept.with(first, number);
  return {
    from,
    to: to.join('.'),
    partitionToken: first + 1,
    storedTokens: key.kind === 'token' ? to.length : 0,
  };
}

/** Subjects of stream `index` of `count`: those that the mapping makes of its partitions. */
export function subjectsOfStream(mapping: StreamMapping, index: number, partitions: number, count: number): string[] {
  const [first, last] = partitionsOf(index, partitions, count);
  const tokens = mapping.to.split('.').map((token) => (token.startsWith('{{wildcard') ? '*' : token));
  return Array.from({ length: last - first + 1 }, (_, i) =>
    tokens.with(mapping.partitionToken - 1, String(first + i)).join('.'),
  );
}

/** The mapping as a block of the server's configuration: at its top level, or inside an account. */
export function mappingBlock({ from, to }: StreamMapping): string {
  return `mappings {\n  ${JSON.stringify(from)}: ${JSON.stringify(to)}\n}`;
}
