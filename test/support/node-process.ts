/** A node in a process of its own, as the test sees it: it can be asked, drained and killed. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NodeTuning } from '../../src/compose/node.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import { until } from './until.js';

export type NodeRequest =
  | { readonly kind: 'status' }
  | { readonly kind: 'killThread'; readonly slot: number }
  /** The main thread does nothing else for so long. */
  | { readonly kind: 'block'; readonly ms: number };

export type NodeReply =
  | { readonly kind: 'log'; readonly level: string; readonly event: string; readonly fields: object }
  /** From now on SIGTERM drains. */
  | { readonly kind: 'up' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'status'; readonly status: NodeStatus };

export interface NodeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessTuning extends NodeTuning {
  /** Heap of the main thread and of each worker thread, MB. */
  readonly heapMb?: number | undefined;
}

type Log = Extract<NodeReply, { kind: 'log' }>;

const START_MS = 30_000;
const END_MS = 60_000;
/** Shorter than the timers of a start, so that one that is left behind shows. */
const DRAIN_MS = 20_000;

export class NodeProcess {
  readonly #child: ChildProcess;
  readonly logs: Log[] = [];
  /** Why the node gave up, if it did. */
  failure: { readonly code: string; readonly message: string } | undefined;
  /** Settles when the process has ended. */
  readonly exited: Promise<NodeExit>;
  #stderr = '';
  #isUp = false;
  #isReady = false;
  #exit: NodeExit | undefined;
  #status: NodeStatus | undefined;

  constructor(input: OptionsInput, { heapMb, ...tuning }: ProcessTuning = {}) {
    const main = fileURLToPath(new URL('./node-main.js', import.meta.url));
    this.#child = fork(main, [JSON.stringify(input), JSON.stringify(tuning)], {
      execArgv: heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child.on('message', (reply: NodeReply) => this.#receive(reply));
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#exit !== undefined;
  }

  /** All partitions are running or halted. */
  async ready(): Promise<this> {
    await until(
      () => this.#isReady || this.hasEnded,
      START_MS,
      () => `a node that is ready; ${this.#story()}`,
    );
    if (!this.#isReady) throw new Error(`the node ended before it was ready; ${this.#story()}`);
    return this;
  }

  /** Waits for a line of the log. */
  async logged(event: string, deadlineMs = START_MS): Promise<Log> {
    const find = (): Log | undefined => this.logs.find((line) => line.event === event);
    await until(
      () => find() !== undefined,
      deadlineMs,
      () => `the line ${event}; ${this.#story()}`,
    );
    return find()!;
  }

  async status(): Promise<NodeStatus> {
    if (this.hasEnded) throw new Error(`the node has ended; ${this.#story()}`);
    await this.ready();
    if (!this.#child.connected) throw new Error(`the node is ending; ${this.#story()}`);
    this.#status = undefined;
    // One that ends meanwhile is noticed below.
    this.#child.send({ kind: 'status' } satisfies NodeRequest, () => undefined);
    await until(
      () => this.#status !== undefined || this.hasEnded,
      START_MS,
      () => `a status; ${this.#story()}`,
    );
    if (this.#status === undefined) throw new Error(`the node ended; ${this.#story()}`);
    return this.#status;
  }

  async killThread(slot: number): Promise<void> {
    await this.ready();
    this.#child.send({ kind: 'killThread', slot } satisfies NodeRequest);
  }

  /** Blocks the main thread of the node; returns at once. */
  block(ms: number): void {
    this.#child.send({ kind: 'block', ms } satisfies NodeRequest);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM: the node drains. Fails if it does not end with 0. */
  async drain(): Promise<void> {
    await until(
      () => this.#isUp || this.hasEnded,
      START_MS,
      () => `a process that listens; ${this.#story()}`,
    );
    this.#child.kill('SIGTERM');
    await this.ended(0, DRAIN_MS);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the process has ended with this code. */
  async ended(code: number, deadlineMs = END_MS): Promise<void> {
    await until(
      () => this.hasEnded,
      deadlineMs,
      () => `the end of the node; ${this.#story()}`,
    );
    if (this.#exit?.code !== code)
      throw new Error(`the node ended with ${JSON.stringify(this.#exit)}; ${this.#story()}`);
  }

  #receive(reply: NodeReply): void {
    if (reply.kind === 'log') this.logs.push(reply);
    else if (reply.kind === 'status') this.#status = reply.status;
    else if (reply.kind === 'up') this.#isUp = true;
    else if (reply.kind === 'ready') this.#isReady = true;
    else this.failure = { code: reply.code, message: reply.message };
  }

  #story(): string {
    const lines = this.logs.slice(-15).map(({ level, event, fields }) => `${level} ${event} ${JSON.stringify(fields)}`);
    const failure = this.failure === undefined ? '' : `failed with ${this.failure.code}: ${this.failure.message}\n`;
    return `its log ends with\n${lines.join('\n')}\n${failure}${this.#stderr.slice(-2_000)}`;
  }
}
