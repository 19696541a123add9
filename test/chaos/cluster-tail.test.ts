/** F9: Redis loses its tail while one node is frozen past its lease and another has taken over what it had. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Cluster } from '../support/cluster.js';
import { MixedWatch } from '../support/mixed-watch.js';
import { countLines, untilShared } from '../support/shares.js';
import { LiveApp } from './live-app.js';
import { RedisCopy } from './redis-copy.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

describe('F9: a store that goes back to the time of a frozen owner', () => {
  it.each([
    ['wakes up while Redis is away', true],
    ['wakes up when the new owner has replayed', false],
  ])('who %s commits nothing stale: never a mixed state, and the oracle in the end', async (_, isAway) => {
    const app = await LiveApp.start(
      cluster,
      isAway ? 'racing' : 'replayed',
      0.3,
      {},
      { order: { settle: '200ms', idle: '2s' }, cluster: { lease: '1s' } },
    );
    const [zombie, heir] = [
      cluster.node({ ...app.options, node: 'zombie' }),
      cluster.node({ ...app.options, node: 'heir' }),
    ];
    const watch = new MixedWatch(cluster.db, app.name);
    const copy = new RedisCopy(cluster.redis);
    try {
      await untilShared([zombie, heir]);
      await app.decided(0.2);
      await copy.keep();
      app.publisher.allow(0.8);
      // Under load, so that it has something to store when it wakes up.
      await app.decided(0.4);
      zombie.signal('SIGSTOP');
      await untilShared([heir]);
      await app.decided(0.6);
      await copy.loseTail(() => {
        if (isAway) zombie.signal('SIGCONT');
      });
      await heir.logged('partition.fenced');
      if (!isAway) {
        await app.decided(0.7);
        zombie.signal('SIGCONT');
      }
      await untilShared([zombie, heir]);
      await zombie.drain();
      await app.finish(heir);
    } finally {
      zombie.signal('SIGCONT');
    }
    // Of the heir, whose commits the older store must not take, and of the zombie if it was faster than its news.
    expect(countLines([zombie, heir], 'checkpoint.refused')).toBeGreaterThan(0);
    expect(countLines([zombie, heir], 'partition.halted')).toBe(0);
    const { looks, mixed } = await watch.stop();
    expect(mixed).toEqual([]);
    expect(looks).toBeGreaterThan(64);
  });
});
