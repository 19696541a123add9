/** Where a faulted run takes place: a log, a store, nodes, and what can be done to them. */
import type { OptionsInput } from '../../src/options/types.js';
import type { Captured } from '../support/capture.js';
import type { NodeProcess } from '../support/node-process.js';
import type { Random } from '../support/random.js';
import type { Stored } from '../support/store-view.js';
import type { Message } from '../support/workload.js';

export const storeNames = ['services', 'sqlite', 'postgres'] as const;

export type StoreName = (typeof storeNames)[number];

/** What must not happen in the middle of a batch that is being published: the publisher's own stream would be late. */
export type Exclusively = (act: () => Promise<void>) => Promise<void>;

/** A node under faults. After `strike` everything is whole again. */
export interface Faults {
  /** One that has ended is replaced, as an orchestrator would. */
  node(): Promise<NodeProcess>;
  /** Answers the kind that was drawn. */
  strike(): Promise<string>;
  close(): Promise<void>;
}

export interface Arena {
  readonly stored: Stored;
  /** Options of an application on the stream EVENTS. */
  app(name: string, input: OptionsInput): Promise<OptionsInput>;
  node(options: OptionsInput): NodeProcess;
  publish(batch: readonly Message[]): Promise<void>;
  capture(): Promise<readonly Captured[]>;
  faults(random: Random, options: OptionsInput, exclusively: Exclusively): Promise<Faults>;
  stop(): Promise<void>;
}
