/** Millrace inside somebody else's program: what `src/index.ts` exports, against real servers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNode, createPublisher, MillraceError, type OptionsInput } from '../../src/index.js';
import { locateServers } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { run } from './cli-process.js';

let root: string;
let nats: RunningServer;
let redis: RunningServer;
let input: OptionsInput;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-library-'));
  const binaries = await locateServers();
  nats = await startNatsServer({ binary: binaries.nats, dir: join(root, 'nats') });
  redis = await startRedisServer({ binary: binaries.redis, dir: join(root, 'redis') });
  input = {
    ...{ nats: { url: nats.url }, redis: { url: redis.url }, partitions: 4, threads: 1 },
    ...{ order: { settle: '50ms', idle: '100ms' }, checkpoint: { interval: '50ms' } },
    ...{ http: { port: 0 }, probes: { port: 0, host: '127.0.0.1' }, log: { level: 'silent' } },
  };
});

afterAll(async () => {
  await Promise.all([nats?.stop(), redis?.stop()]);
  await rm(root, { recursive: true, force: true });
});

describe('createNode', () => {
  it('runs a handler of its own, beside a publisher, and reads its own writes', async () => {
    // As a module of a user: it finds `defineActor` by the place that the package has here.
    const index = new URL('../../src/index.js', import.meta.url).href;
    const handler = join(root, 'totals.mjs');
    await writeFile(
      handler,
      `import { defineActor } from ${JSON.stringify(index)};
       export const totals = defineActor({ name: 'totals', initial: () => 0, apply: (sum, event) => sum + event.data });`,
    );
    await run(['provision', '--nats', nats.url, '--redis', redis.url]);
    const node = await createNode({ ...input, handler });
    expect(node.url).toBeUndefined();
    expect(node.status()).toBeUndefined();
    await expect(node.get('a')).rejects.toThrow('not started');
    await node.start();
    const publisher = await createPublisher({ url: nats.url, partitions: 4 });
    try {
      const receipts = await publisher.publishAll([1, 2, 3].map((data) => ({ key: 'a', data })));
      const after = receipts.at(-1)!;
      expect(await node.get('a', { after, waitMs: 20_000 })).toMatchObject({ state: 6, applied: 3 });
      expect(((await (await fetch(`${node.url}/v1/state/a`)).json()) as { state: number }).state).toBe(6);
      expect((await fetch(`${node.probesUrl}/readyz`)).status).toBe(200);
      expect(node.status()?.phase).toBe('running');
    } finally {
      await publisher.close();
      await node.stop();
    }
    expect(node.url).toBeUndefined();
  });

  it('names every option that is wrong', async () => {
    const failure = createNode({ partitions: 0, order: { settle: 'soon' } });
    await expect(failure).rejects.toBeInstanceOf(MillraceError);
    await expect(failure).rejects.toMatchObject({ code: 'OPTIONS_INVALID', problems: [/partitions/, /order\.settle/] });
  });

  it('can be stopped while it waits, and says what it waited for', async () => {
    const logged: string[] = [];
    const away = { ...input, nats: { url: 'nats://127.0.0.1:1' } };
    const waiting = new Promise<void>((resolve) => {
      void createNode(away, {
        log: (_, event) => {
          logged.push(event);
          resolve();
        },
      }).then(async (node) => {
        const started = expect(node.start()).rejects.toMatchObject({ code: 'NATS_UNREACHABLE' });
        await waiting;
        await node.stop();
        await started;
        logged.push('stopped');
      });
    });
    await expect.poll(() => logged).toEqual(['nats.waiting', 'stopped']);
  });

  it('fails with what a person must change', async () => {
    const node = await createNode({ ...input, app: 'other', stream: { name: 'OTHER', subjects: ['other.*'] } });
    await expect(node.start()).rejects.toMatchObject({ code: 'STREAM_MISSING' });
    const wrong = await createNode({ ...input, handler: join(root, 'none.mjs') });
    await expect(wrong.start()).rejects.toMatchObject({ code: 'HANDLER_INVALID' });
  });
});
