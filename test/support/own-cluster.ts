/** A cluster of one test alone, so that others can go on beside it. */
import type { TestContext } from 'vitest';
import { Cluster, type ClusterOptions } from './cluster.js';

export async function ownCluster({ onTestFinished }: TestContext, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await Cluster.start(options);
  onTestFinished(() => cluster.stop());
  return cluster;
}
