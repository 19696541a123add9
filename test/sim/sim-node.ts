/** One node of the simulation: a process with the real node, router, supervisor and hosts in it. */
import type { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import type { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import type { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import type { Handler } from '../../src/core/actor/handler.js';
import { PARTITION_HASH } from '../../src/core/key/partition.js';
import type { MillraceError } from '../../src/errors.js';
import { Host } from '../../src/host/host.js';
import type { HostOptions } from '../../src/host/host-options.js';
import type { CheckpointStore } from '../../src/ports/checkpoint-store.js';
import type { NewEvent } from '../../src/ports/event-log.js';
import type { LogLine } from '../../src/ports/log.js';
import type { MainToHost } from '../../src/protocol/messages.js';
import { keyRoute } from '../../src/runtime/key-route.js';
import { Node } from '../../src/runtime/node.js';
import type { VirtualTime } from '../../src/testing/virtual-time.js';
import { formatOf } from '../unit/raw-events.js';
import type { Network } from './network.js';
import type { OwnerAudit } from './owner-audit.js';
import type { Plan } from './plan.js';
import { SimProcess } from './process.js';
import { SimCoordinator } from './sim-coordinator.js';
import { deliveryOf, SimLog } from './sim-log.js';
import { SimMembership } from './sim-membership.js';
import type { StoreWitness } from './sim-store.js';
import { SimStore } from './sim-store.js';
import type { SimThread } from './sim-threads.js';
import { SimThreads } from './sim-threads.js';
import type { Trace } from './trace.js';

export const STREAM = 'EVENTS';

const DRAIN_MS_MAX = 400;

/** What all nodes of a world share. */
export interface Surroundings {
  readonly plan: Plan;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: Network;
  readonly log: MemoryEventLog;
  /** The store as connections see it: the model, or one with a planted fault. */
  readonly store: CheckpointStore;
  readonly model: MemoryCheckpointStore;
  readonly claims: MemoryCoordinator;
  readonly handler: Handler;
  readonly witness: StoreWitness;
  readonly nonce: (process: string) => string;
  readonly owners: OwnerAudit | undefined;
  readonly line: (who: string) => LogLine;
  readonly said: (message: MainToHost) => void;
  readonly appended: (event: NewEvent) => void;
}

const format = formatOf();

export class SimNode {
  readonly process: SimProcess;
  readonly node: Node;
  readonly threads: SimThreads;
  /** Which of the cluster's places it takes; its name outlives the process. */
  readonly pod: number;
  isDraining = false;

  constructor(world: Surroundings, processName: string, pod: number, acceptGap: boolean) {
    const { plan, time, trace, network } = world;
    this.pod = pod;
    const nodeName = plan.nodes > 0 ? `pod-${pod}` : plan.sameName ? 'node' : processName;
    const process = new SimProcess(processName, time);
    this.process = process;
    const clock = process.clock(process);
    const connect = (service: 'log' | 'coordinator') =>
      network.connect(process, process, processName, service, plan.logMs);
    const deliver = deliveryOf(time, network, process, plan.logMs);
    const { requestEvents, heartbeatMs, wireMs } = plan;
    const log = new SimLog({
      time,
      network,
      trace,
      process,
      connection: connect('log'),
      log: world.log.as({ clock, deliver, requestEvents, heartbeatMs }),
      wireMs,
      appended: world.appended,
    });
    this.threads = new SimThreads({
      time,
      network,
      process,
      delayMs: plan.threadMs,
      host: (slot, thread) => this.#host(world, slot, thread),
      said: (_, message) => world.said(message),
      told: (who, message) => world.owners?.told(processName, who, message),
      heard: (message) => world.owners?.heard(processName, message),
    });
    this.node = new Node(
      {
        name: nodeName,
        chains: [[{ stream: STREAM, base: 0 }]],
        partitions: plan.partitions,
        threads: plan.slots,
        acceptGap,
        inFlightBytesMax: plan.inFlightBytesMax,
        drainMsMax: DRAIN_MS_MAX,
        ...(plan.nodes > 0 && { cluster: { leaseMs: plan.leaseMs, sameName: 'take-over', url: undefined } }),
      },
      {
        log,
        sink: log,
        coordinator: new SimCoordinator(world.claims.as(nodeName), connect('coordinator'), processName, world.owners),
        membership: plan.nodes > 0 ? this.#membership(world, nodeName) : undefined,
        threads: this.threads,
        clock,
        routes: [keyRoute({ key: format.key, partition: { kind: 'key' }, partitions: plan.partitions })],
        line: world.line(processName),
        defer: (callback) => void time.after(0, process, callback),
      },
    );
  }

  /** Starts the node; `failed` hears why it cannot go on. */
  start(failed: (error: MillraceError | Error) => void): void {
    this.node.start().catch(failed);
    void this.node.failed.then(failed);
  }

  #membership({ plan, time, network, claims, owners }: Surroundings, nodeName: string): SimMembership {
    const { process } = this;
    const connection = network.connect(process, process, process.name, 'coordinator', plan.logMs);
    const terms = { time, network, process, connection, delayMs: plan.logMs, audit: owners };
    return new SimMembership(claims.as(nodeName, process.name), terms);
  }

  #host(world: Surroundings, slot: number, thread: SimThread): Host {
    const { plan, time, network } = world;
    const connection = network.connect(this.process, thread, thread.who, 'store', plan.storeMs);
    return new Host(hostOptions(plan, slot), {
      store: new SimStore(world.store, connection, world.witness),
      handler: world.handler,
      clock: this.process.clock(thread),
      log: (level, event, fields) => thread.say({ kind: 'log', level, event, fields }),
      post: (message) => thread.say(message),
      defer: (callback) => void time.after(0, thread, callback),
      nonce: () => world.nonce(this.process.name),
      heapBytes: () => 0,
    });
  }
}

function hostOptions(plan: Plan, slot: number): HostOptions {
  const { partitions, checkpointMs, checkpointBytes, payloadBytesMax } = plan;
  return {
    slot,
    chains: [[{ stream: STREAM, base: 0 }]],
    checkpointMs,
    checkpointBytes,
    decoder: {
      format,
      limits: { payloadBytesMax, headerBytesMax: 4_096 },
      idRequired: plan.dedupe !== undefined,
      partitions,
      checkPartition: false,
    },
    actor: {
      layout: { app: 'main', partitions, hash: PARTITION_HASH },
      order: plan.order,
      settleMs: plan.settleMs,
      idleMs: plan.idleMs,
      late: plan.late,
      ahead: plan.ahead,
      aheadMsMax: plan.aheadMsMax,
      dedupe: plan.dedupe,
      bufferEventsMax: plan.bufferEventsMax,
      bufferBytesMax: 1e9,
      residentKeysMax: plan.residentKeysMax,
      residentBytesMax: 1e9,
      deadLettersMax: plan.deadLettersMax,
      firstNumber: 1,
      gapMs: plan.waitMs,
      gap: plan.gap,
      poison: plan.poisonPolicy,
      parkedMax: plan.parkedMax,
    },
  };
}
