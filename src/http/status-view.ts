/** What `GET /v1/status` shows: the node's status, each partition as one flat object. */
import type { PartitionReport } from '../protocol/messages.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { PartitionStatus } from '../runtime/partition-table.js';

/** A partition; what its host reports is left out until it has reported. */
export type PartitionView = Omit<PartitionStatus, 'report'> & Partial<Omit<PartitionReport, 'claimed'>>;

export interface StatusView extends Omit<NodeStatus, 'partitions'> {
  /** How many partitions are in each phase that occurs. */
  readonly phases: Partial<Record<PartitionStatus['phase'], number>>;
  readonly partitions: readonly PartitionView[];
}

export function statusView(status: NodeStatus): StatusView {
  const phases: Partial<Record<PartitionStatus['phase'], number>> = {};
  for (const { phase } of status.partitions) phases[phase] = (phases[phase] ?? 0) + 1;
  const partitions = status.partitions.map(({ report, ...partition }) => {
    const { claimed: _, ...shown } = report ?? {};
    return { ...partition, ...shown };
  });
  return { ...status, phases, partitions };
}
