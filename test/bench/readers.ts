/** Starts one reader in a process of its own and waits for what it measured. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { BenchCase } from './cases.js';
import type { FilledStream } from './fill-stream.js';
import type { Measurement } from './meter.js';
import { restateNodePath } from './peers.js';

/** What a reader is told, as JSON in its first argument. */
export interface ReaderTask {
  readonly bench: BenchCase;
  readonly app: string;
  readonly stream: FilledStream;
  readonly threads: number;
  /** Where the packages of the peers are. */
  readonly peers: string | undefined;
  readonly servers: {
    readonly nats: { readonly url: string; readonly pid: number };
    readonly redis: { readonly url: string; readonly pid: number };
  };
}

/** Throws if the reader ends without a result. */
export async function runReader(task: ReaderTask, profileDir: string | undefined): Promise<Measurement> {
  const child = fork(new URL(`./${task.bench.reader}-reader.js`, import.meta.url), [JSON.stringify(task)], {
    execPath: task.bench.reader === 'restate' ? restateNodePath(task.peers!) : process.execPath,
    execArgv: profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`],
  });
  let result: Measurement | undefined;
  child.on('message', (message) => {
    result = message as Measurement;
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (result === undefined || code !== 0) throw new Error(`the reader "${task.bench.name}" ended with ${code}`);
  return result;
}

/** The task of this process. */
export function readerTask(): ReaderTask {
  return JSON.parse(process.argv[2]!) as ReaderTask;
}

/** Tells the parent what was measured. */
export function report(measurement: Measurement): void {
  process.send!(measurement);
  process.disconnect();
}
