/** What is gone is noticed: events by GAP, checkpoints by LOST_CHECKPOINT. What can be rebuilt is rebuilt. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { OptionsInput } from '../../src/options/types.js';
import { type Captured, capture } from '../support/capture.js';
import { Cluster } from '../support/cluster.js';
import { ledgerRules } from '../support/meanings.js';
import { expected } from '../support/oracle.js';
import { expectStored, isDecided, readRecords, untilDecided } from '../support/redis-state.js';
import { until } from '../support/until.js';
import { makeWorkload, publishAll } from '../support/workload.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const EVENTS = 40_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(() => cluster.stop());

/** `ends` are the sequences after which everything is newer. */
async function fill(
  name: string,
  prefix: string,
  seed: number,
  duplicates: number,
): Promise<{ stream: Captured[]; ends: number[] }> {
  await cluster.addStream(name, [`${prefix}.*`]);
  const from = Date.now() - EVENTS - 60_000;
  const workload = makeWorkload({ seed, events: EVENTS, keys: 2_000, from, poison: 11, prefix, duplicates });
  const ends = await publishAll(cluster.nc, workload);
  return { stream: await capture(cluster.nc, name), ends };
}

describe('events that are gone', () => {
  it('halt the partitions that needed them with the exact range, and are left out with acceptGap', async () => {
    // No duplicates: a copy of an event that is gone would be late, and nothing would be wrong with that.
    const { stream, ends } = await fill('GAPS', 'gaps', 6, 0);
    const options = await cluster.newApp('gaps', {
      handler: 'ledger',
      stream: { name: 'GAPS', subjects: 'gaps.*' },
      checkpoint: { interval: '20ms', bytes: '4KiB' },
    });
    // Beyond the positions of some, before those of others, and so that what follows is newer than what is gone. Where
    // the kill comes decides whether there is such a place.
    let records = await readRecords(cluster.db, 'gaps');
    let floors: number[] = [];
    let cut: number | undefined;
    for (let decided = 0.2; cut === undefined && decided < 0.8; decided += 0.04) {
      const killed = cluster.node(options);
      await untilDecided(cluster.db, 'gaps', EVENTS * decided);
      await killed.kill();
      records = await readRecords(cluster.db, 'gaps');
      floors = records.map((record) => record!.floor);
      const hits = (end: number): number => floors.filter((floor) => floor < end).length;
      cut = ends.find((end) => hits(end) > 8 && hits(end) < 56);
    }
    if (cut === undefined) throw new Error('no kill left the positions far enough apart');
    await cluster.purgeUpTo('GAPS', cut);
    const isHit = (p: number): boolean => floors[p]! < cut;

    const careful = await cluster.node(options).ready();
    const { partitions, phase } = await careful.status();
    expect(phase).toBe('running');
    for (const { partition, phase, fault } of partitions) {
      expect([partition, phase]).toEqual([partition, isHit(partition) ? 'halted' : 'running']);
      if (!isHit(partition)) continue;
      expect(fault?.code).toBe('GAP');
      expect(fault?.message).toContain(`sequences ${floors[partition]! + 1} to ${cut} are gone`);
    }
    const isGone = (p: number, sequence: number): boolean => sequence <= cut && !isDecided(records[p]!, sequence);
    const wanted = expected(stream, { ...ledgerRules, isGone });
    const going = wanted.partitions.map(({ events }, p) => (isHit(p) ? records[p]!.events : events));
    const total = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0);
    await untilDecided(cluster.db, 'gaps', total(going));
    expect((await readRecords(cluster.db, 'gaps')).map((record) => record!.events)).toEqual(going);
    await careful.drain();

    const careless = await cluster.node({ ...options, acceptGap: true }).ready();
    await untilDecided(cluster.db, 'gaps', wanted.events);
    await expectStored(cluster.db, 'gaps', wanted);
    await careless.drain();
    await expectStored(cluster.db, 'gaps', wanted);
    for (const [p, record] of (await readRecords(cluster.db, 'gaps')).entries())
      expect([p, record!.gaps]).toEqual([p, isHit(p) ? [floors[p]! + 1, cut] : []]);
  });

  it('are single ones: everything before and after them is still processed, and kills do not make them two', async () => {
    const app = 'holes';
    const { stream } = await fill('HOLES', app, 11, 0);
    const options = await cluster.newApp(app, {
      handler: 'ledger',
      stream: { name: 'HOLES', subjects: 'holes.*' },
      checkpoint: { interval: '20ms', bytes: '4KiB' },
    });
    const killed = cluster.node(options);
    await untilDecided(cluster.db, app, EVENTS * 0.2);
    await killed.kill();
    const records = await readRecords(cluster.db, app);
    // One event is the proof that the stream is the same; another is not read yet.
    const anchors = records.map((record) => record!.anchor);
    const anchor = Math.max(...anchors);
    const far = anchor + 4_000;
    await cluster.deleteMessage('HOLES', anchor);
    await cluster.deleteMessage('HOLES', far);
    const isGone = (p: number, sequence: number): boolean =>
      (sequence === anchor || sequence === far) && !isDecided(records[p]!, sequence);
    const wanted = expected(stream, { ...ledgerRules, isGone });

    const careful = await cluster.node(options).ready();
    const found = new Set<string | undefined>();
    await until(
      async () => {
        const { partitions } = await careful.status();
        for (const { fault } of partitions) found.add(fault?.message.replace(/^.*?: /, ''));
        return partitions.every(({ phase }) => phase === 'halted');
      },
      20_000,
      'the end of all partitions',
    );
    found.delete(undefined);
    const ranges = [anchor, far].map((gap) => `sequences ${gap} to ${gap} are gone and were not processed`);
    expect(ranges).toEqual(expect.arrayContaining([...found]));
    await careful.drain();

    // Lost: what was undecided below the anchor. Later: records that could not be read, because a gap stood in them twice.
    for (const share of [0.32, 0.36, 0.5]) {
      const careless = cluster.node({ ...options, acceptGap: true });
      await untilDecided(cluster.db, app, EVENTS * share);
      await careless.kill();
    }
    const last = await cluster.node({ ...options, acceptGap: true }).ready();
    await untilDecided(cluster.db, app, wanted.events);
    await expectStored(cluster.db, app, wanted);
    await last.drain();
    await expectStored(cluster.db, app, wanted);
  });
});

describe('checkpoints that are gone', () => {
  let stream: Captured[];
  let options: OptionsInput;

  it('are rebuilt while the stream still starts at its origin', async () => {
    ({ stream } = await fill('LOST', 'lost', 7, 0.03));
    options = await cluster.newApp('lost', { handler: 'ledger', stream: { name: 'LOST', subjects: 'lost.*' } });
    const wanted = expected(stream, ledgerRules);
    for (let round = 0; round < 2; round++) {
      const node = await cluster.node(options).ready();
      await untilDecided(cluster.db, 'lost', wanted.events);
      await node.drain();
      await expectStored(cluster.db, 'lost', wanted);
      expect(node.logs.filter(({ event }) => event === 'checkpoint.rebuild').length).toBe(round === 0 ? 0 : 64);
      await cluster.db.flushall();
    }
  });

  it('are rebuilt under a running node', async () => {
    const wanted = expected(stream, ledgerRules);
    const node = cluster.node({ ...options, checkpoint: { interval: '50ms' } });
    await untilDecided(cluster.db, 'lost', wanted.events * 0.4);
    await cluster.db.flushall();
    await untilDecided(cluster.db, 'lost', wanted.events);
    await expectStored(cluster.db, 'lost', wanted);
    await node.drain();
    await expectStored(cluster.db, 'lost', wanted);
  });

  it('halt every partition when the start of the stream is gone, too, and are given up with acceptGap', async () => {
    const app = 'gone';
    const { stream, ends } = await fill('GONE', app, 9, 0);
    const cut = ends[9]!;
    options = await cluster.newApp(app, { handler: 'ledger', stream: { name: 'GONE', subjects: 'gone.*' } });
    const first = await cluster.node(options).ready();
    await first.drain();
    await cluster.db.flushall();
    await cluster.purgeUpTo('GONE', cut);
    const careful = await cluster.node(options).ready();
    const { partitions } = await careful.status();
    expect(new Set(partitions.map(({ fault }) => fault?.code))).toEqual(new Set(['LOST_CHECKPOINT']));
    expect(partitions[0]?.fault?.message).toContain(`no longer starts at 1 but at ${cut + 1}`);
    await careful.drain();
    expect(await cluster.db.keys('*')).toEqual([]);

    const wanted = expected(stream, { ...ledgerRules, isGone: (_, sequence) => sequence <= cut });
    const careless = await cluster.node({ ...options, acceptGap: true }).ready();
    await untilDecided(cluster.db, app, wanted.events);
    await careless.drain();
    await expectStored(cluster.db, app, wanted);
    expect((await readRecords(cluster.db, app)).map((record) => record?.gaps)).toEqual(Array(64).fill([1, cut]));
  });
});
