/** Real servers and a node as a process for the load scenarios; everything is gone afterwards. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadResult } from '../../src/cli/load/load-result.js';
import type { OptionsInput } from '../../src/options/types.js';
import { type CommandProcess, run, start } from '../integration/cli-process.js';
import { Cluster } from '../support/cluster.js';

export class LoadGround {
  readonly #cluster: Cluster;
  readonly #dir: string;
  readonly #config: string;
  readonly #node: CommandProcess;
  readonly #url: string;

  private constructor(cluster: Cluster, dir: string, config: string, node: CommandProcess, url: string) {
    this.#cluster = cluster;
    this.#dir = dir;
    this.#config = config;
    this.#node = node;
    this.#url = url;
  }

  /** A node with the handler `status` and the defaults of the options, but for those that are given. */
  static async start(input: OptionsInput = {}): Promise<LoadGround> {
    const cluster = await Cluster.start();
    const dir = await mkdtemp(join(tmpdir(), 'millrace-load-'));
    await cluster.addStream('EVENTS', ['events.*']);
    const config = join(dir, 'millrace.yaml');
    await writeFile(config, JSON.stringify(await cluster.newApp('load', { log: { level: 'warn' }, ...input })));
    const node = start(['run', '--config', config, '--log-level', 'info']);
    const { url } = await node.event<{ url: string }>('node.ready');
    return new LoadGround(cluster, dir, config, node, url);
  }

  /** `millrace load` with these flags; throws what it says where it gives no result. */
  async load(...flags: readonly string[]): Promise<LoadResult> {
    const { out, err } = await run(['load', '--config', this.#config, '--url', this.#url, '--json', ...flags]);
    try {
      return JSON.parse(out) as LoadResult;
    } catch {
      throw new Error(err);
    }
  }

  /** Memory of the node's process, MiB; undefined where the system does not tell. */
  async memoryMiB(): Promise<number | undefined> {
    const text = await readFile(`/proc/${this.#node.child.pid}/status`, 'utf8').catch(() => '');
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1_024;
  }

  async stop(): Promise<void> {
    this.#node.child.kill('SIGTERM');
    await this.#node.ended();
    await this.#cluster.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
