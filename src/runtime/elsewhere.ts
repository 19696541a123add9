/** Partitions that a question did not reach, because they are not this node's, and whom to ask instead. */
import type { ClusterStatus } from './cluster-status.js';

/** Partitions without a break that one other node has, as far as this one sees the others. */
export interface Elsewhere {
  readonly first: number;
  readonly last: number;
  /** Null where nobody owns them, or this node does not see the others. */
  readonly node: string | null;
  /** Base URL of its HTTP API, null while that is not known. */
  readonly url: string | null;
}

/** All partitions but `own`. */
export function elsewhere(
  partitions: number,
  own: ReadonlySet<number>,
  cluster: ClusterStatus | undefined,
): Elsewhere[] {
  const ranges: Elsewhere[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    if (own.has(partition)) continue;
    const { node, url } = placeOf(partition, cluster);
    const before = ranges.at(-1);
    if (before?.node === node && before.last === partition - 1)
      ranges[ranges.length - 1] = { ...before, last: partition };
    else ranges.push({ first: partition, last: partition, node, url });
  }
  return ranges;
}

/** Who has a partition. */
export function placeOf(partition: number, cluster: ClusterStatus | undefined): Pick<Elsewhere, 'node' | 'url'> {
  const node = cluster?.ranges.find(({ first, last }) => first <= partition && partition <= last)?.node ?? null;
  return { node, url: cluster?.members.find(({ name }) => name === node)?.url ?? null };
}

/** `partitions 0 to 31 (node a at http://a:8080)`. */
export function elsewhereText({ first, last, node, url }: Elsewhere): string {
  const which = first === last ? `partition ${first}` : `partitions ${first} to ${last}`;
  return `${which} (${node === null ? 'no node known' : placeText(node, url)})`;
}

/** `node a at http://a:8080`. */
export function placeText(node: string, url: string | null): string {
  return `node ${node}${url === null ? '' : ` at ${url}`}`;
}
