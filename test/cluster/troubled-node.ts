/** One node of the cluster: a process that is killed, frozen and restarted under the same name, and what became of it. */
import type { OptionsInput } from '../../src/options/types.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import { NodeProcess } from '../support/node-process.js';
import { until } from '../support/until.js';

export type NodeState = 'starting' | 'running' | 'frozen' | 'draining' | 'gone';

export interface Totals {
  handedOver: number;
  replayed: number;
  takenOver: number;
  lost: number;
  /** Partitions whose commit was refused because somebody else had taken them over. */
  fenced: number;
}

const START_MS = 60_000;

export class TroubledNode {
  readonly name: string;
  readonly #options: OptionsInput;
  #process: NodeProcess;
  #state: NodeState = 'starting';
  #isAsked = false;
  /** What the node said last. */
  status: NodeStatus | undefined;
  /** Of the processes that have ended. */
  readonly #before: Totals = { handedOver: 0, replayed: 0, takenOver: 0, lost: 0, fenced: 0 };

  constructor(name: string, options: OptionsInput) {
    this.name = name;
    this.#options = options;
    this.#process = this.#open();
  }

  get state(): NodeState {
    if (this.#state === 'starting' && this.status?.phase === 'running') this.#state = 'running';
    return this.#state;
  }

  get isDisturbed(): boolean {
    return this.state !== 'running';
  }

  /** Why the process has ended although nobody ended it. */
  get problem(): string | undefined {
    if (!this.#process.hasEnded || this.#state === 'gone' || this.#state === 'draining') return undefined;
    const { failure } = this.#process;
    return `${this.name} ended by itself: ${failure?.code ?? 'no code'} ${failure?.message ?? ''}`;
  }

  get totals(): Totals {
    const moves = this.status?.moves;
    const of = (name: 'handedOver' | 'replayed' | 'takenOver' | 'lost'): number =>
      this.#before[name] + (moves?.[name] ?? 0);
    return {
      handedOver: of('handedOver'),
      replayed: of('replayed'),
      takenOver: of('takenOver'),
      lost: of('lost'),
      fenced: this.#before.fenced + this.#fenced(),
    };
  }

  /** Asks the process how it is; one that is frozen or starting does not answer, and is not asked again meanwhile. */
  async look(): Promise<void> {
    if (this.#isAsked || this.#state === 'gone' || this.#state === 'frozen' || this.#process.hasEnded) return;
    const asked = this.#process;
    this.#isAsked = true;
    try {
      const status = await asked.status();
      if (asked === this.#process) this.status = status;
    } catch {
      // It has ended; `problem` says so where nobody wanted that.
    } finally {
      this.#isAsked = false;
    }
  }

  async ready(): Promise<void> {
    await this.#process.ready();
  }

  /** SIGKILL, and a new process after `awayMs`. */
  async kill(away: () => Promise<void>): Promise<void> {
    this.#state = 'gone';
    await this.#process.kill();
    await away();
    this.#restart();
    await this.#running();
  }

  /** SIGSTOP for as long as `away` takes. */
  async freeze(away: () => Promise<void>): Promise<void> {
    this.#state = 'frozen';
    this.#process.signal('SIGSTOP');
    await away();
    this.#process.signal('SIGCONT');
    this.#state = 'running';
  }

  /** SIGTERM, and a new process when the old one has stored everything and let go. Fails if it does not end with 0. */
  async restart(): Promise<void> {
    this.#state = 'draining';
    await this.#process.drain();
    this.#restart();
    await this.#running();
  }

  async drain(): Promise<void> {
    this.#state = 'draining';
    await this.#process.drain();
  }

  /** Ends the process for good, whatever it does. */
  async end(): Promise<void> {
    this.#state = 'gone';
    await this.#process.kill();
  }

  #restart(): void {
    Object.assign(this.#before, this.totals);
    this.status = undefined;
    this.#process = this.#open();
    this.#state = 'starting';
  }

  async #running(): Promise<void> {
    await until(
      () => this.state === 'running' || this.problem !== undefined,
      START_MS,
      () => `${this.name} to run again`,
    );
  }

  #open(): NodeProcess {
    return new NodeProcess({ ...this.#options, node: this.name });
  }

  #fenced(): number {
    return this.#process.logs.filter(({ event }) => event === 'partition.fenced').length;
  }
}
