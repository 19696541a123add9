/** Probes and metrics over a real socket, from before there is a node until after it drains. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Probes } from '../../src/http/probes.js';
import { serveProbes } from '../../src/http/probes.js';
import type { NodePhase, NodeStatus } from '../../src/runtime/node-status.js';
import type { PartitionStatus } from '../../src/runtime/partition-table.js';
import { runningStatus } from './http-world.js';

const partition = (number: number, over: Partial<PartitionStatus> = {}): PartitionStatus => ({
  partition: number,
  slot: 0,
  phase: 'running',
  epoch: 1,
  fault: undefined,
  report: undefined,
  since: 0,
  recoveries: 0,
  ...over,
});

let probes: Probes;
afterEach(() => probes.close());

const lines: object[] = [];
const line = (_: string, event: string, fields: object): void => void lines.push({ event, ...fields });

async function start(status: () => NodeStatus | undefined, elapsed?: () => number): Promise<void> {
  const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'millrace_x 1\n' };
  probes = await serveProbes({ host: '127.0.0.1', port: 0, lagMaxMs: 60_000, status, metrics, elapsed, line });
}

async function ask(path: string): Promise<{ status: number; reasons: string[] }> {
  const response = await fetch(probes.url + path);
  return { status: response.status, reasons: ((await response.json()) as { reasons: string[] }).reasons };
}

const statuses = async (): Promise<number[]> =>
  Promise.all(['/livez', '/readyz', '/startupz'].map(async (path) => (await ask(path)).status));

describe('probes', () => {
  it('follow the life of a node', async () => {
    let status: NodeStatus | undefined;
    await start(() => status);
    expect(await statuses()).toEqual([200, 503, 503]);
    const expected: [NodePhase, number[]][] = [
      ['new', [200, 503, 503]],
      ['starting', [200, 503, 503]],
      ['running', [200, 200, 200]],
      ['draining', [200, 503, 200]],
      ['stopped', [200, 503, 200]],
      ['failed', [503, 503, 503]],
    ];
    for (const [phase, answers] of expected) {
      status = { ...runningStatus, phase };
      expect([phase, await statuses()]).toEqual([phase, answers]);
    }
  });

  it('are not ready while a partition is not running, and say which', async () => {
    const fault = { code: 'GAP', message: 'never shown', problems: [] } as const;
    const partitions = [partition(0), partition(1, { phase: 'halted', fault }), partition(2, { phase: 'claiming' })];
    await start(() => ({ ...runningStatus, partitions }));
    expect(await ask('/readyz')).toEqual({
      status: 503,
      reasons: ['partition 1 is halted (GAP)', 'partition 2 is claiming'],
    });
    expect((await ask('/livez')).status).toBe(200);
  });

  it('are not ready while the node is further behind than it may be', async () => {
    await start(() => ({ ...runningStatus, unread: 5, streamTime: Date.now() - 90_000 }));
    expect((await ask('/readyz')).reasons).toEqual([expect.stringMatching(/^the node is 9\d s behind$/)]);
    expect((await ask('/livez')).status).toBe(200);
    await probes.close();
    await start(() => ({ ...runningStatus, unread: 0, streamTime: Date.now() - 90_000 }));
    expect((await ask('/readyz')).status).toBe(200);
  });

  it('list a bounded number of reasons', async () => {
    const partitions = Array.from({ length: 4096 }, (_, n) => partition(n, { phase: 'unclaimed' }));
    await start(() => ({ ...runningStatus, partitions }));
    const { reasons } = await ask('/readyz');
    expect(reasons).toHaveLength(21);
    expect(reasons.at(-1)).toBe('and 4076 more');
  });

  it('are not ready once the node was told to drain, and still alive', async () => {
    await start(() => runningStatus);
    expect((await ask('/readyz')).status).toBe(200);
    probes.setDraining();
    expect(await ask('/readyz')).toEqual({ status: 503, reasons: ['the node is draining'] });
    expect((await ask('/livez')).status).toBe(200);
  });

  it('notice a thread that has stopped to report, and one that reports again', async () => {
    let now = 0;
    let threads = [{ slot: 0, heapBytes: 1, commits: 0, commitMs: 0, commitKeys: 0 }];
    await start(
      () => ({ ...runningStatus, threads }),
      () => now,
    );
    expect((await ask('/livez')).status).toBe(200);
    now = 50_000;
    expect((await ask('/livez')).status).toBe(200);
    now = 61_000;
    expect(await ask('/livez')).toEqual({ status: 503, reasons: ['thread 0 has not reported for more than 60 s'] });
    threads = [{ ...threads[0]! }];
    expect((await ask('/livez')).status).toBe(200);
  });
});

describe('the probe server', () => {
  it('answers metrics as they are, and nothing else', async () => {
    await start(() => undefined);
    const response = await fetch(`${probes.url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4');
    expect(await response.text()).toBe('millrace_x 1\n');
    for (const path of ['/', '/metrics/', '/constructor', '/__proto__']) expect((await ask(path)).status).toBe(404);
    expect((await fetch(`${probes.url}/livez?verbose`)).status).toBe(200);
    expect((await fetch(`${probes.url}/livez`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(`${probes.url}/livez`, { method: 'HEAD' })).status).toBe(200);
  });

  it('answers 500 where it cannot say, and the log has the reason', async () => {
    await start(() => {
      throw new Error('no status');
    });
    expect(await ask('/readyz')).toMatchObject({ status: 500, reasons: ['an internal error'] });
    expect(lines).toEqual([{ event: 'http.failed', request: '/readyz', code: 'BUG', error: 'no status' }]);
  });

  it('says PORT_IN_USE, and OPTIONS_INVALID for an address that is not ours', async () => {
    await start(() => undefined);
    const metrics = { contentType: 'text/plain', text: async () => '' };
    const port = Number(new URL(probes.url).port);
    const options = { status: () => undefined, metrics, lagMaxMs: 0, line };
    await expect(serveProbes({ ...options, host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await expect(serveProbes({ ...options, host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
    });
  });
});
