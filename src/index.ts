/** Millrace as a library: the public door. What is not exported here may change at any time. */

export type { PublishEvent, Publisher, PublishReceipt } from './client/publisher.js';
export type { PublisherOptions } from './compose/publisher.js';
export { createPublisher } from './compose/publisher.js';
export type { EmbeddedNode } from './compose/run.js';
export { createNode } from './compose/run.js';
export type { TestCluster, TestClusterOptions } from './compose/test-cluster.js';
export { createTestCluster } from './compose/test-cluster.js';
export type { ApplyContext, Handler } from './core/actor/handler.js';
export type { Event } from './core/event/event.js';
export type { ErrorCategory, ErrorCode } from './errors.js';
export { MillraceError } from './errors.js';
export type { ActorDefinition, DefinedActor, HandlerOptions } from './handlers/define-actor.js';
export { defineActor } from './handlers/define-actor.js';
export type { Options, OptionsInput } from './options/types.js';
export type { LogLine } from './ports/log.js';
export type { NodeStatus } from './runtime/node-status.js';
export type { KeyState, Receipt } from './runtime/state-reader.js';
export { parseReceipt } from './runtime/state-reader.js';
export type { Fault, Outcome, Scenario, TestEvent } from './testing/scenario.js';
