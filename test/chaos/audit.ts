/** What a run under faults is held to at its end. What is wrong is collected: a run says everything at once. */
import { capture } from '../support/capture.js';
import type { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import type { NodeProcess } from '../support/node-process.js';
import { type Expected, expected } from '../support/oracle.js';
import { expectStored, type RecordWatch, untilDecided } from '../support/redis-state.js';

export class Audit {
  readonly violations: string[] = [];

  async check(work: () => Promise<unknown>): Promise<void> {
    await work().catch((error: unknown) => this.note(error instanceof Error ? error.message : String(error)));
  }

  note(violation: string): void {
    this.violations.push(violation);
  }

  /**
   * The whole of Redis against the fold of an independent read of the stream, before and after the nodes have drained,
   * and what the watch over positions and checkpoint numbers had to object to.
   */
  async rounds(
    cluster: Cluster,
    app: string,
    nodes: readonly NodeProcess[],
    watch: RecordWatch,
  ): Promise<{ readonly wanted: Expected; readonly checkpointsSeen: number }> {
    const wanted = expected(await capture(cluster.nc, 'EVENTS'), ledgerRules);
    await this.check(() => untilDecided(cluster.db, app, wanted.events));
    await this.check(() => expectStored(cluster.db, app, wanted));
    for (const node of nodes) await this.check(() => node.drain());
    await this.check(() => expectStored(cluster.db, app, wanted));
    let checkpointsSeen = 0;
    await this.check(async () => {
      checkpointsSeen = await watch.stop();
    });
    return { wanted, checkpointsSeen };
  }
}

/** Keys that hold a state. */
export function keysOf({ partitions }: Expected): number {
  return partitions.reduce((keys, { states }) => keys + states.size, 0);
}
