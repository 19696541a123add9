/** The reference model and NATS KV keep the same contract of membership; and what only one over a network meets. */
import { Kvm } from '@nats-io/kv';
import { describe, expect, it } from 'vitest';
import { bucketName, createBucket } from '../../src/adapters/nats/kv-bucket.js';
import { NatsKvCoordinator } from '../../src/adapters/nats/nats-kv-coordinator.js';
import { NatsKvMembership } from '../../src/adapters/nats/nats-kv-membership.js';
import type { ClusterView, MemberEntry } from '../../src/ports/membership.js';
import { until } from '../support/until.js';
import { whileFrozen } from './freeze.js';
import { type MemberUnderTest, membershipContract } from './membership.contract.js';
import { memoryMembership } from './memory-under-test.js';
import { natsUnderTest } from './nats-under-test.js';

const ENTRY: MemberEntry = {
  isLeaving: false,
  isStalled: false,
  reads: [1, 2],
  url: undefined,
  since: 5,
  progress: 0,
};

const nats = natsUnderTest();
let apps = 0;

membershipContract('memory', memoryMembership);

membershipContract('nats kv', async () => {
  const app = await provisioned();
  return { node: (name, incarnation) => member(app, name, incarnation), close: async () => undefined };
});

describe('NatsKvMembership', () => {
  it('stores what the documentation says', async () => {
    const app = await provisioned();
    const { membership } = member(app, 'a', 'i');
    await membership.beat({ ...ENTRY, url: 'http://a:1' }, true);
    await membership.claim(3, 0);
    await membership.release(3, 1, 17);
    const kv = await new Kvm(nats.nc).open(bucketName(app));
    expect((await kv.get('node.a'))?.json()).toEqual({
      ...{ incarnation: 'i', beat: 1, leaving: false, stalled: false, reads: [1, 2], url: 'http://a:1', since: 5 },
      progress: 0,
    });
    const claim = { epoch: 1, node: 'a', incarnation: 'i', released: true, applied: 17 };
    expect((await kv.get('partition.3'))?.json()).toMatchObject(claim);
  });

  it('B3: reads entries of a newer build, and passes over what no node wrote', async () => {
    const app = await provisioned();
    const kv = await new Kvm(nats.nc).open(bucketName(app));
    await kv.put('node.new', '{"incarnation":"n","beat":1,"reads":[2,9],"zone":"x","leaving":"perhaps"}');
    await kv.put('node.odd', '{"name":"odd"}');
    await kv.put('node.text', 'hello');
    await kv.put('partition.1', 'hello');
    await kv.put('layout', '{}');
    const { membership } = member(app, 'a', 'i');
    expect(await membership.find('new')).toMatchObject({ reads: [2, 9], isLeaving: false, url: undefined });
    expect(await membership.find('odd')).toBeUndefined();
    let view: ClusterView | undefined;
    const stop = membership.watch((newest) => {
      view = newest;
    });
    await until(() => view?.members.has('new') === true, 20_000, 'a view');
    expect([...view!.members.keys()]).toEqual(['new']);
    expect(view!.claims.size).toBe(0);
    stop();
  });

  it('B2: goes on watching after the server was killed', async () => {
    const app = await provisioned();
    const [a, b] = [member(app, 'a', '1').membership, member(app, 'b', '2').membership];
    let view: ClusterView | undefined;
    const stop = a.watch((newest) => {
      view = newest;
    });
    await a.beat(ENTRY, true);
    await b.beat(ENTRY, true);
    await until(() => view?.members.size === 2, 20_000, 'both');
    await nats.server.kill();
    await nats.server.restart();
    await b.leave();
    // As the node does: a beat now and then.
    await until(
      async () => {
        await a.beat(ENTRY, false);
        return view?.left.has('b') === true;
      },
      30_000,
      'that b has left',
    );
    expect([...view!.members.keys()]).toEqual(['a']);
    stop();
  });

  it('is transient while the server is away', async () => {
    const app = await provisioned();
    const { membership } = member(app, 'a', '1', 300);
    await whileFrozen(nats.server, async () => {
      const wanted = { code: 'NATS_UNREACHABLE', category: 'transient' };
      await expect(membership.beat(ENTRY, true)).rejects.toMatchObject(wanted);
      await expect(membership.claim(0, 0)).rejects.toMatchObject(wanted);
      await expect(membership.release(0, 1, 1)).rejects.toMatchObject(wanted);
      await expect(membership.leave()).rejects.toMatchObject(wanted);
      await expect(membership.find('a')).rejects.toMatchObject(wanted);
    });
    expect(await membership.beat(ENTRY, false)).toBe('present');
  });
});

/** The name of an application that nobody else in this file uses, with its bucket. */
async function provisioned(): Promise<string> {
  const app = `m${++apps}`;
  await createBucket(nats.nc, app, 1);
  return app;
}

function member(app: string, node: string, incarnation: string, deadlineMs = 10_000): MemberUnderTest {
  const terms = { nc: nats.nc, app, node, incarnation, deadlineMs };
  return {
    membership: new NatsKvMembership({ ...terms, line: () => undefined }),
    coordinator: new NatsKvCoordinator(terms),
  };
}
