/** The status of a node as aligned text. */
import type { PartitionView, StatusView } from '../http/status-view.js';
import { age, fieldLines, grouped, oneLine } from './text.js';

/** A dozen lines for people; `now` is epoch ms. */
export function statusSummary(status: StatusView, now: number): string {
  const { partitions, phases, streams, unread } = status;
  const counters = partitions.flatMap((each) => (each.counters === undefined ? [] : [each.counters]));
  const sum = (name: 'applied' | 'duplicates' | 'conflicts' | 'late' | 'clamped'): number =>
    counters.reduce((total, each) => total + each[name], 0);
  const total = (value: (each: PartitionView) => number | undefined): number =>
    partitions.reduce((all, each) => all + (value(each) ?? 0), 0);
  const phaseText = Object.entries(phases).map(([phase, count]) => `${count} ${phase}`);
  const fields: [string, string][] = [
    ['node', `${status.name}, ${status.phase}`],
    ['partitions', phaseText.length === 0 ? 'none' : phaseText.join(', ')],
    ...(streams.length === 0 ? [['stream', 'unknown'] as [string, string]] : streams.map(streamField)),
    ['lag', unread === undefined ? 'unknown' : `${grouped(unread)} events not read${behind(status, now)}`],
    ['waiting', `${grouped(total((each) => each.buffered))} events wait for earlier ones`],
    ['applied', grouped(sum('applied'))],
    ['duplicates', `${grouped(sum('duplicates'))}${also(sum('conflicts'), 'with another body')}`],
    ['late', grouped(sum('late'))],
    ['dead letters', `${grouped(total((each) => each.deadStored))}${reasons(counters)}`],
    ['checkpoint', oldest(partitions, now)],
    ['threads', `${status.threads.length}${also(status.threadRestarts, 'restarts')}`],
    ['busiest key', busiest(status)],
    ...(status.cluster === undefined ? [] : clusterFields(status.cluster)),
  ];
  const halted = partitions
    .filter(({ phase }) => phase === 'halted')
    .map(({ partition, fault }) => `halted: partition ${partition}: ${fault?.code}: ${fault?.message}`);
  return [fieldLines(fields), ...halted].join('\n');
}

/** Who owns what since when, and who is there. */
function clusterFields({ members, ranges }: NonNullable<StatusView['cluster']>): [string, string][] {
  const owned = ranges.map(({ first, last, node, since }): [string, string] => {
    const range = first === last ? `${first}` : `${first} to ${last}`;
    return ['owner', node === null ? `${range}: nobody` : `${range}: ${node} since ${since}`];
  });
  const others = members.map(({ name, phase, partitions, url }): [string, string] => {
    return ['member', `${name}, ${phase}, ${partitions} partitions${url === undefined ? '' : `, ${url}`}`];
  });
  return [...others, ...owned];
}

function streamField({ stream, first, last, isRead }: StatusView['streams'][number]): [string, string] {
  const events = last < first ? 'empty' : `${grouped(first)} to ${grouped(last)}`;
  return ['stream', `${stream}, ${events}${isRead ? '' : ', not read here'}`];
}

/** How old what was read last is, where something waits behind it. */
function behind({ unread = 0, streamTime }: StatusView, now: number): string {
  return unread === 0 || streamTime === undefined ? '' : `, ${age(Math.max(0, now - streamTime))} behind`;
}

/** The key with the largest share of a thread's work. */
function busiest({ threads }: StatusView): string {
  const keys = threads.flatMap(({ handler }) => handler?.hotKeys ?? []).sort((a, b) => b.share - a.share);
  const [first] = keys;
  if (first === undefined) return 'not known yet';
  return oneLine(`${first.key}, ${Math.round(first.share * 100)} % of its thread's work, partition ${first.partition}`);
}

const also = (count: number, what: string): string => (count === 0 ? '' : `, ${grouped(count)} ${what}`);

/** Dead letters of all time by reason; an operator may have removed some. */
function reasons(counters: readonly NonNullable<PartitionView['counters']>[]): string {
  const sums = new Map<string, number>();
  for (const { dead } of counters)
    for (const [code, count] of Object.entries(dead)) sums.set(code, (sums.get(code) ?? 0) + count);
  return sums.size === 0 ? '' : ` (${[...sums].map(([code, count]) => `${grouped(count)} ${code}`).join(', ')})`;
}

/** The partition that was not saved for the longest time. One that has nothing new is saved less often. */
function oldest(partitions: readonly PartitionView[], now: number): string {
  const saved = partitions.flatMap(({ savedAt }) => (savedAt === undefined || savedAt === 0 ? [] : [savedAt]));
  return saved.length === 0 ? 'none yet' : `oldest ${age(Math.max(0, now - Math.min(...saved)))} ago`;
}
