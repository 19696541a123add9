/** The publishing processes of a load, as one: started together, counted together, ended together. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../../errors.js';
import type {
  FromPublisher,
  KeyCount,
  PublishingTally,
  PublishingTask,
  Sample,
  SampleStored,
  ToPublisher,
} from './publishing-messages.js';
import { sharedNow } from './publishing-messages.js';

export interface FleetEars {
  tally(tally: PublishingTally): void;
  sample(sample: Sample): void;
  stored(id: string, stored: SampleStored | undefined): void;
}

const ENTRY = fileURLToPath(new URL('../../../workers/load-publisher.js', import.meta.url));
/** All are told to start at one moment, which must not be over when the last one hears of it. */
const LEAD_MS = 100;

export class PublishingFleet {
  readonly #children: readonly ChildProcess[];
  readonly #ears: FleetEars;
  readonly #ready: Promise<void>[] = [];
  readonly #done: Promise<readonly KeyCount[]>[] = [];

  constructor(tasks: readonly PublishingTask[], ears: FleetEars) {
    this.#ears = ears;
    this.#children = tasks.map((task) => this.#start(task));
  }

  /** Settles when all are connected. Throws what one of them met. */
  async ready(): Promise<void> {
    await Promise.all(this.#ready);
  }

  /** Starts the schedule; answers its first moment, on the shared clock. */
  begin(): number {
    const at = sharedNow() + LEAD_MS;
    const epochMs = Date.now() + LEAD_MS;
    for (const child of this.#children) post(child, { kind: 'start', at, epochMs });
    return at;
  }

  /** Nothing more is sent; what is on its way is still waited for. */
  stop(): void {
    for (const child of this.#children) post(child, { kind: 'stop' });
  }

  /** Settles when all are through, with the counts of keys. Throws what one of them met. */
  async done(): Promise<KeyCount[]> {
    return (await Promise.all(this.#done)).flat();
  }

  /** Ends the processes. */
  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #start(task: PublishingTask): ChildProcess {
    // Over a pipe of its own, so that nothing of it comes between the lines of the command.
    const child = fork(ENTRY, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let isReady = (): void => undefined;
    const ready = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const done = new Promise<readonly KeyCount[]>((resolve, reject) => {
      child.on('message', (message) => {
        const told = message as FromPublisher;
        if (told.kind === 'ready') isReady();
        else if (told.kind === 'tally') this.#ears.tally(told.tally);
        else if (told.kind === 'sample') this.#ears.sample(told.sample);
        else if (told.kind === 'stored') this.#ears.stored(told.id, told.stored);
        else if (told.kind === 'done') resolve(told.keys);
        else reject(new MillraceError(told.code, told.message));
      });
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        reject(new MillraceError('BUG', `a publishing process has ended early (${signal ?? code})`)),
      );
    });
    done.catch(() => undefined); // heard when its turn comes
    this.#done.push(done);
    this.#ready.push(Promise.race([ready, done.then(() => undefined)]));
    post(child, { kind: 'open', task });
    return child;
  }
}

/** To one that has just ended, nothing is said. */
function post(child: ChildProcess, message: ToPublisher): void {
  if (child.connected) child.send(message, () => undefined);
}
