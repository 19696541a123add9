/** Who owns what among nodes in processes of their own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeProcess } from './node-process.js';
import { until } from './until.js';

/** Asking costs the nodes what their work needs more. */
const ASK_AGAIN_MS = 40;

/** Partitions that run on a node. */
async function runningOn(node: NodeProcess): Promise<number[]> {
  const { partitions } = await node.status();
  return partitions.filter(({ phase }) => phase === 'running').map(({ partition }) => partition);
}

/** Waits until the nodes own everything, each its share, each partition once; answers the shares. */
export async function untilShared(
  nodes: readonly NodeProcess[],
  partitions = 64,
  deadlineMs = 60_000,
): Promise<number[][]> {
  let shares: number[][] = [];
  await until(
    async () => {
      shares = await Promise.all(nodes.map(runningOn));
      const all = shares.flat().sort((a, b) => a - b);
      const sizes = shares.map((share) => share.length);
      const isWhole = all.length === partitions && all.every((partition, i) => partition === i);
      const isShared = isWhole && Math.max(...sizes) - Math.min(...sizes) <= 1;
      if (!isShared) await delay(ASK_AGAIN_MS);
      return isShared;
    },
    deadlineMs,
    () => `${nodes.length} nodes with a share each; there are ${JSON.stringify(shares)}`,
  );
  return shares;
}

/** Whether partitions are one range without a break. */
export function isContiguous(share: readonly number[]): boolean {
  return [...share].sort((a, b) => a - b).every((partition, i, all) => i === 0 || partition === all[i - 1]! + 1);
}

/** Lines of that name in the logs of all nodes. */
export function countLines(nodes: Iterable<NodeProcess>, event: string): number {
  return [...nodes].reduce((sum, { logs }) => sum + logs.filter((line) => line.event === event).length, 0);
}
