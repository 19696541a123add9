/** Builds that differ share an application, on real processes: what can be read goes on, what cannot refuses to start. */
import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { OLDEST_FORMAT, RECORD_FORMAT } from '../../src/core/checkpoint/record.js';
import { LiveApp } from '../chaos/live-app.js';
import { Cluster } from '../support/cluster.js';
import type { NodeProcess } from '../support/node-process.js';
import { countLines, untilShared } from '../support/shares.js';
import { until } from '../support/until.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

const input = { order: { settle: '200ms', idle: '2s' }, cluster: { lease: '2s' } } as const;
const workload = { events: 2_000 };
const bucketOf = (app: string): Promise<KV> => new Kvm(jetstream(cluster.nc)).open(`millrace-${app}`);

/** Keeps the entry of another build there, as a node does with its beats. */
class OtherBuild {
  readonly #kv: KV;
  readonly #key: string;
  readonly #entry: object;
  readonly #timer: NodeJS.Timeout;
  #beat = 0;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(kv: KV, name: string, entry: object) {
    this.#kv = kv;
    this.#key = `node.${name}`;
    this.#entry = entry;
    this.#timer = setInterval(() => this.#write(), 200);
  }

  static async join(app: string, name: string, reads: readonly number[], more: object = {}): Promise<OtherBuild> {
    const entry = { incarnation: `of-${name}`, stalled: false, reads, since: 1, progress: 1, ...more };
    const build = new OtherBuild(await bucketOf(app), name, entry);
    build.#write();
    await build.#writing;
    return build;
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#kv.delete(this.#key);
  }

  #write(): void {
    const text = JSON.stringify({ ...this.#entry, beat: ++this.#beat });
    this.#writing = this.#writing.then(() => this.#kv.put(this.#key, text));
  }
}

async function refuses(node: NodeProcess, code: string, ...says: readonly string[]): Promise<void> {
  await node.ended(1);
  expect(node.failure?.code).toBe(code);
  for (const words of says) expect(node.failure?.message).toContain(words);
}

it('an older build that knows this format: fields that it does not write are done without', async () => {
  const app = await LiveApp.start(cluster, 'older', 0.5, workload, input);
  const node = await cluster.node({ ...app.options, node: 'new' }).ready();
  await app.decided(0.2);
  // It gives up what it has, so that this test need not do its work.
  const older = await OtherBuild.join('older', 'old', [OLDEST_FORMAT, RECORD_FORMAT], { leaving: true });
  const sees = async (): Promise<boolean> =>
    (await node.status()).cluster?.members.some(({ name }) => name === 'old') === true;
  await until(sees, 30_000, 'the older build in the status');
  const second = cluster.node({ ...app.options, node: 'newer' });
  await untilShared([node, second]);
  await older.leave();
  expect(countLines([node, second], 'cluster.watch')).toBe(0);
  await second.drain();
  await app.finish(node);
});

it('a build that cannot read what this one writes: the one that comes refuses to start, the others go on', async () => {
  const app = await LiveApp.start(cluster, 'far', 0.5, workload, input);
  const node = await cluster.node({ ...app.options, node: 'first' }).ready();
  await app.decided(0.2);
  const other = await OtherBuild.join('far', 'other', [RECORD_FORMAT + 1, RECORD_FORMAT + 2], { leaving: true });
  const says = [
    `node other reads checkpoint formats ${RECORD_FORMAT + 1} to ${RECORD_FORMAT + 2}`,
    `this version writes ${RECORD_FORMAT}`,
  ];
  await refuses(cluster.node({ ...app.options, node: 'second' }), 'CHECKPOINT_FORMAT', ...says);
  expect((await node.status()).phase).toBe('running');
  await other.leave();
  await app.finish(node);
});

it('a format that a newer build has stored, and another partition count: refused with both, nothing is written', async () => {
  const app = await LiveApp.start(cluster, 'layout', 0.5, workload, input);
  const node = await cluster.node({ ...app.options, node: 'first' }).ready();
  await app.decided(0.2);
  const refused = cluster.node({ ...app.options, node: 'second', partitions: 128 });
  await refuses(refused, 'LAYOUT_MISMATCH', '"partitions":64', '"partitions":128');
  await app.finish(node);

  const kv = await bucketOf('layout');
  const layout = (await kv.get('layout'))!.json<object>();
  const newer = JSON.stringify({ ...layout, format: RECORD_FORMAT + 1 });
  await kv.put('layout', newer);
  const older = cluster.node({ ...app.options, node: 'third' });
  await refuses(older, 'LAYOUT_MISMATCH', `"format":${RECORD_FORMAT + 1}`, `"format":${RECORD_FORMAT}`);
  expect((await kv.get('layout'))!.string()).toBe(newer);
});

it('a record of a newer format: its partition stands still and says so, the others run', async () => {
  const app = await LiveApp.start(cluster, 'record', 0.5, workload, input);
  const first = await cluster.node({ ...app.options, node: 'first' }).ready();
  await app.decided(0.4);
  await first.drain();
  const name = 'millrace:{record:7}:meta';
  const before = (await cluster.db.hget(name, 'record'))!;
  const newer = JSON.stringify({ ...(JSON.parse(before) as object), format: RECORD_FORMAT + 1 });
  await cluster.db.hset(name, 'record', newer);
  const second = cluster.node({ ...app.options, node: 'second' });
  const { partitions } = await (await second.ready()).status();
  const message = `partition 7: format ${RECORD_FORMAT + 1}, this version reads ${RECORD_FORMAT}`;
  expect(partitions).toHaveLength(64);
  expect(partitions.filter(({ phase }) => phase !== 'running')).toMatchObject([
    { partition: 7, phase: 'halted', fault: { code: 'CHECKPOINT_FORMAT', message } },
  ]);
  expect(await cluster.db.hget(name, 'record')).toBe(newer);
  await second.drain();
  await cluster.db.hset(name, 'record', before);
  await app.finish(await cluster.node({ ...app.options, node: 'last' }).ready());
});
