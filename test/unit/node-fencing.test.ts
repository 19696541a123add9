/** Two nodes of one name, or two that think they own a partition: one of them gives way for good (N2; F6). */
import { describe, expect, it } from 'vitest';
import { MemoryCoordinator } from '../../src/adapters/memory/memory-coordinator.js';
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import { MillraceError } from '../../src/errors.js';
import type { Clock } from '../../src/ports/clock.js';
import type { HostLink, Threads } from '../../src/ports/threads.js';
import type { HostToMain, MainToHost } from '../../src/protocol/messages.js';
import { Node } from '../../src/runtime/node.js';
import { HandClock } from '../support/hand-clock.js';
import { until } from '../support/until.js';

/** A host that takes every claim and does nothing else. */
class WillingThreads implements Threads {
  readonly claims: number[] = [];
  /** Threads started so far; while `isSlow` they do not say so. */
  starts = 0;
  isSlow = false;
  #receive: (message: HostToMain) => void = () => undefined;
  #exit: (error: Error) => void = () => undefined;

  start(_: number, receive: (message: HostToMain) => void): HostLink {
    if (this.isClosed) throw new Error('a thread was started after the end');
    this.#receive = receive;
    this.starts++;
    if (!this.isSlow) queueMicrotask(() => this.begin());
    return {
      post: (message) => this.#take(message),
      terminate: async () => undefined,
      exited: new Promise((resolve) => {
        this.#exit = resolve;
      }),
    };
  }

  begin(): void {
    this.#receive({ kind: 'started' });
  }

  die(): void {
    this.#exit(new Error('the thread is gone'));
  }

  isClosed = false;

  async close(): Promise<void> {
    this.isClosed = true;
  }

  fence(partition: number): void {
    this.#receive({
      kind: 'stopped',
      partition,
      epoch: this.claims.at(-1)!,
      fault: { code: 'FENCED', message: 'refused', problems: [] },
    });
  }

  #take(message: MainToHost): void {
    if (message.kind === 'drain') this.#receive({ kind: 'drained' });
    if (message.kind !== 'claim') return;
    const { partition, epoch } = message;
    this.claims.push(epoch);
    const [position, anchor] = [
      { floor: 0, above: [] },
      { sequence: 0, time: '' },
    ];
    this.#receive({
      kind: 'claimed',
      partition,
      epoch: this.claims.at(-1)!,
      stream: 'EVENTS',
      position,
      anchor,
      applied: 0,
      created: true,
    });
  }
}

function makeNode(clock: Clock = systemClock) {
  const log = new MemoryEventLog({ clock });
  log.createStream('EVENTS', () => true);
  const coordinator = new MemoryCoordinator({ node: 'one' });
  const threads = new WillingThreads();
  const node = new Node(
    {
      name: 'one',
      chains: [[{ stream: 'EVENTS', base: 0 }]],
      partitions: 1,
      threads: 1,
      acceptGap: false,
      inFlightBytesMax: 1e6,
      drainMsMax: 1_000,
    },
    {
      log,
      sink: log,
      coordinator,
      threads,
      clock,
      routes: [() => 0],
      line: () => undefined,
      defer: (callback) => void setImmediate(callback),
    },
  );
  return { node, coordinator, threads, log };
}

async function startNode() {
  const made = makeNode();
  await made.node.start();
  return made;
}

/** Lets time pass in small steps. */
async function passUntil(clock: HandClock, condition: () => boolean): Promise<void> {
  await until(
    async () => {
      if (!condition()) await clock.pass(10);
      return condition();
    },
    10_000,
    'the condition',
  );
}

describe('a fenced partition', () => {
  it('N2: is claimed again if nobody else has claimed it, as after a store that went back', async () => {
    const { node, threads } = await startNode();
    threads.fence(0);
    const isBack = (): boolean => threads.claims.length === 2 && node.status().partitions[0]!.phase === 'running';
    await until(isBack, 10_000, 'the partition runs again');
    expect(threads.claims).toEqual([1, 2]);
    expect(node.status().partitions[0]!.recoveries).toBe(1);
    await node.drain();
  });

  it('N3: whose claim cannot be read stands still with the reason', async () => {
    const { node, coordinator, threads } = await startNode();
    coordinator.holder = () => Promise.reject(new MillraceError('CORRUPT_CHECKPOINT', 'the claim is damaged'));
    threads.fence(0);
    await until(() => node.status().partitions[0]!.phase === 'halted', 10_000, 'the partition stands still');
    expect(node.status().partitions[0]!.fault).toMatchObject({ code: 'CORRUPT_CHECKPOINT' });
    await node.drain();
  });

  it('N2: whose thread dies before it can be claimed again is claimed by the thread that replaces it', async () => {
    const clock = new HandClock();
    const { node, threads } = makeNode(clock);
    const phase = () => node.status().partitions[0]?.phase;
    void node.start();
    await passUntil(clock, () => phase() === 'running');
    threads.isSlow = true;
    threads.fence(0);
    threads.die();
    await passUntil(clock, () => threads.starts === 2);
    // Longer than it waits until it claims again, and less than a thread may take to start.
    await clock.pass(5_000);
    expect([phase(), threads.claims]).toEqual(['unclaimed', [1]]);
    threads.begin();
    await passUntil(clock, () => phase() === 'running');
    expect(threads.claims).toEqual([1, 2]);
    await node.drain();
  });

  it('N2, F6: is left to who has claimed it since, and the node says so', async () => {
    const { node, coordinator, threads } = await startNode();
    await coordinator.as('one').claim(0);
    threads.fence(0);
    const failure = await node.failed;
    expect(failure).toMatchObject({ code: 'FENCED' });
    expect(failure.message).toContain('has claimed it with epoch 2, ours was 1');
    expect(node.status().partitions[0]).toMatchObject({ phase: 'halted', fault: { code: 'FENCED' } });
    expect(threads.claims).toEqual([1]);
    await node.drain();
  });
});

describe('a node that is drained while it starts', () => {
  it.each([0, 1, 2, 5, 20])('settles its start and starts nothing more, %d turns on', async (turns) => {
    const { node, threads } = makeNode();
    const starting = node.start();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await node.drain();
    await starting;
    expect(node.status().phase).toBe('stopped');
    expect(threads.isClosed).toBe(true);
  });
});

describe('a node whose stream cannot be read from where it is', () => {
  it('has started, with its partitions halted and the reason told', async () => {
    const { node, log } = makeNode();
    log.read = async () => {
      throw new MillraceError('REGRESSION', 'stream EVENTS went back');
    };
    await node.start();
    expect(node.status().phase).toBe('running');
    expect(node.status().partitions).toMatchObject([{ phase: 'halted', fault: { code: 'REGRESSION' } }]);
    await node.drain();
  });
});
