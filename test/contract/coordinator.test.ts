/** The reference model and NATS KV keep the same contract; and what only a coordinator over a network meets. */
import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { bucketName, createBucket } from '../../src/adapters/nats/kv-bucket.js';
import { NatsKvCoordinator } from '../../src/adapters/nats/nats-kv-coordinator.js';
import { type ErrorCode, MillraceError } from '../../src/errors.js';
import { type CoordinatorUnderTest, coordinatorContract } from './coordinator.contract.js';
import { whileFrozen } from './freeze.js';
import { memoryCoordinator } from './memory-under-test.js';
import { natsUnderTest } from './nats-under-test.js';

const LAYOUT = { partitions: 8, hash: 'fnv1a32', format: 1 };
const nats = natsUnderTest();
let apps = 0;

coordinatorContract('memory', memoryCoordinator);

coordinatorContract('nats kv', async (): Promise<CoordinatorUnderTest> => {
  const app = await provisioned();
  return { node: (name) => coordinator(app, name), close: async () => undefined };
});

describe('NatsKvCoordinator', () => {
  it('keeps epochs and origin over kill -9 of the server', async () => {
    const app = await provisioned();
    const first = await coordinator(app).claim(0);
    await coordinator(app).establish(0, 3);
    await nats.server.kill();
    await nats.server.restart();
    expect(await coordinator(app, 'a', 20_000).claim(0)).toEqual({ epoch: first.epoch + 1, origin: 3 });
  });

  it('is transient while the server is away, and loses nothing', async () => {
    const app = await provisioned();
    const subject = coordinator(app, 'a', 300);
    await coordinator(app).claim(0);
    await whileFrozen(nats.server, async () => {
      const started = performance.now();
      const error = await rejection(subject.claim(0), 'NATS_UNREACHABLE');
      await rejection(subject.establish(0, 1), 'NATS_UNREACHABLE');
      await rejection(subject.holder(0), 'NATS_UNREACHABLE');
      await rejection(subject.checkLayout(LAYOUT), 'NATS_UNREACHABLE');
      expect(performance.now() - started).toBeLessThan(10_000);
      expect(error).toMatchObject({ category: 'transient' });
      expect(error.message).toContain(`partition.0 in KV bucket millrace-${app}`);
    });
    const { epoch } = await coordinator(app).claim(0);
    expect(epoch).toBeGreaterThan(1);
    expect(await coordinator(app).holder(0)).toEqual({ epoch, node: 'a' });
  });

  it('waits for a server that comes back within the deadline', async () => {
    const app = await provisioned();
    const claim = await whileFrozen(nats.server, async () => {
      const waiting = coordinator(app, 'a', 30_000).claim(0);
      await rejection(coordinator(app, 'b', 100).claim(0), 'NATS_UNREACHABLE');
      return { waiting };
    });
    expect((await claim.waiting).epoch).toBeGreaterThan(0);
  });

  it('names the bucket that is missing', async () => {
    const error = await rejection(coordinator('absent').claim(0), 'STREAM_MISSING');
    expect(error.message).toContain('millrace-absent');
    await rejection(coordinator('absent').holder(0), 'STREAM_MISSING');
    await rejection(coordinator('absent').establish(0, 1), 'STREAM_MISSING');
    await rejection(coordinator('absent').checkLayout(LAYOUT), 'STREAM_MISSING');
  });

  it('is transient on a connection that was closed', async () => {
    const app = await provisioned();
    const other = await connect({ servers: nats.server.url });
    const subject = new NatsKvCoordinator({ nc: other, app, node: 'a' });
    await other.close();
    await rejection(subject.claim(0), 'NATS_UNREACHABLE');
  });

  it('K3: refuses an entry that cannot be read', async () => {
    const app = await provisioned();
    const kv = await new Kvm(nats.nc).open(bucketName(app));
    const damaged = [
      '',
      'x',
      'null',
      '{}',
      '{"epoch":"1","node":"a","since":""}',
      '{"epoch":1,"node":"a","since":"","origin":1}',
    ];
    for (const text of damaged) {
      await kv.put('partition.0', text);
      await rejection(coordinator(app).claim(0), 'CORRUPT_CHECKPOINT');
      await rejection(coordinator(app).holder(0), 'CORRUPT_CHECKPOINT');
      await rejection(coordinator(app).establish(0, 1), 'CORRUPT_CHECKPOINT');
    }
  });

  it('K2: goes on counting above a deletion', async () => {
    const app = await provisioned();
    const subject = coordinator(app);
    for (let claims = 0; claims < 5; claims++) await subject.claim(0);
    const kv = await new Kvm(nats.nc).open(bucketName(app));
    await kv.delete('partition.0');
    expect(await subject.holder(0)).toBeUndefined();
    expect((await subject.claim(0)).epoch).toBeGreaterThan(5);
    await kv.purge('partition.0');
    expect((await subject.claim(0)).epoch).toBeGreaterThan(6);
  });

  it('stores what the documentation says', async () => {
    const app = await provisioned();
    const now = () => Date.UTC(2026, 0, 31, 12);
    const subject = new NatsKvCoordinator({ nc: nats.nc, app, node: 'a', now });
    await subject.claim(3);
    await subject.establish(3, 1);
    await subject.checkLayout(LAYOUT);
    const kv = await new Kvm(nats.nc).open(bucketName(app));
    expect((await kv.get('partition.3'))?.json()).toEqual({
      epoch: 1,
      node: 'a',
      origin: '1',
      since: '2026-01-31T12:00:00.000Z',
    });
    expect((await kv.get('layout'))?.json()).toEqual(LAYOUT);
  });
});

describe('checkLayout', () => {
  it('raises an older format that can still be read, and then refuses the older version', async () => {
    const app = await provisioned();
    await coordinator(app).checkLayout({ ...LAYOUT, format: 1 });
    await rejection(coordinator(app).checkLayout({ ...LAYOUT, format: 2, partitions: 16 }), 'LAYOUT_MISMATCH');
    await coordinator(app).checkLayout({ ...LAYOUT, format: 2 });
    await rejection(coordinator(app).checkLayout({ ...LAYOUT, format: 1 }), 'LAYOUT_MISMATCH');
  });

  it('accepts the layout that is stored, and refuses any other with both', async () => {
    const app = await provisioned();
    await Promise.all(['a', 'b', 'c'].map((node) => coordinator(app, node).checkLayout(LAYOUT)));
    await coordinator(app).checkLayout({ format: 1, hash: 'fnv1a32', partitions: 8 });
    for (const other of [{ partitions: 16 }, { hash: 'murmur3' }, { format: 0 }]) {
      const wanted = { ...LAYOUT, ...other };
      const error = await rejection(coordinator(app).checkLayout(wanted), 'LAYOUT_MISMATCH');
      expect(error.message).toContain(JSON.stringify(LAYOUT));
      expect(error.message).toContain(JSON.stringify(wanted));
    }
  });

  it('lets one of two layouts win', async () => {
    const app = await provisioned();
    const layouts = [LAYOUT, { ...LAYOUT, partitions: 16 }];
    const outcomes = await Promise.allSettled(layouts.map((layout) => coordinator(app).checkLayout(layout)));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('createBucket', () => {
  it('may be called again', async () => {
    const app = await provisioned();
    await coordinator(app).claim(0);
    await createBucket(nats.nc, app, 1);
    expect((await coordinator(app).claim(0)).epoch).toBe(2);
  });

  it('refuses a bucket that forgets or has other replicas', async () => {
    const app = `t${++apps}`;
    await new Kvm(nats.nc).create(bucketName(app), { ttl: 60_000, storage: StorageType.Memory });
    const error = await rejection(createBucket(nats.nc, app, 3), 'STREAM_UNSUITABLE');
    expect(error.problems).toHaveLength(3);
  });

  it('says why the server refuses it', async () => {
    const error = await rejection(createBucket(nats.nc, `t${++apps}`, 3), 'STREAM_UNSUITABLE');
    expect(error.message).toContain('replicas');
  });

  it('is transient while the server is away', async () => {
    const other = await connect({ servers: nats.server.url });
    await other.close();
    await rejection(createBucket(other, 'away', 1), 'NATS_UNREACHABLE');
  });

  it('makes a bucket that keeps one value per entry', async () => {
    const app = await provisioned();
    const jsm = await jetstreamManager(nats.nc);
    const { config } = await jsm.streams.info(`KV_${bucketName(app)}`);
    expect(config).toMatchObject({ max_msgs_per_subject: 1, max_age: 0, storage: 'file', num_replicas: 1 });
  });
});

/** The name of an application that nobody else in this file uses, with its bucket. */
async function provisioned(): Promise<string> {
  const app = `t${++apps}`;
  await createBucket(nats.nc, app, 1);
  return app;
}

function coordinator(app: string, node = 'a', deadlineMs = 10_000): NatsKvCoordinator {
  return new NatsKvCoordinator({ nc: nats.nc, app, node, deadlineMs });
}

async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<MillraceError> {
  const error = await promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}, wanted ${code}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MillraceError);
  expect(error).toMatchObject({ code });
  return error as MillraceError;
}
