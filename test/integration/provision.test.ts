/** Making and judging streams on real servers: what is made is what was asked for, what is there is never changed. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensureStream, type StreamSettings } from '../../src/adapters/nats/provision.js';
import { natsBinaries } from '../support/nats-binaries.js';
import { NatsFixture } from '../support/nats-fixture.js';
import { until } from '../support/until.js';

const day = 86_400_000;
const create = { create: true };
const look = { create: false };
const code = (expected: string): object => expect.objectContaining({ code: expected });

for (const binary of await natsBinaries()) {
  describe(`ensureStream on nats-server ${binary.version}`, () => {
    let nats: NatsFixture;
    let settings: StreamSettings;
    let count = 0;

    beforeAll(async () => {
      nats = await NatsFixture.start(binary);
    });
    afterAll(() => nats?.close());
    beforeEach(() => {
      count++;
      settings = {
        name: `P${count}`,
        subjects: [`p${count}.*`],
        replicas: 1,
        maxAgeMs: 7 * day,
        maxBytes: 100_000_000,
        duplicateWindowMs: 120_000,
      };
    });
    const configOf = async () => (await nats.jsm.streams.info(settings.name)).config;

    it('makes what is missing as it was asked for, and finds it the next time', async () => {
      const made = await ensureStream(nats.connection, settings, create);
      const { name, ...asked } = settings;
      expect(made).toMatchObject({ ...asked, stream: name, created: true, storage: 'file', first: 1, last: 0 });
      expect(made.server).toBe(binary.version);
      expect(await configOf()).toMatchObject({
        retention: 'limits',
        discard: 'old',
        allow_direct: true,
        deny_delete: false,
        deny_purge: false,
        max_msgs: -1,
        max_msgs_per_subject: -1,
      });
      await nats.storeMany({ name, prefix: settings.subjects[0]!.replace('*', '') }, 3);
      const found = await ensureStream(nats.connection, settings, look);
      expect(found).toEqual({ ...made, created: false, last: 3 });
      expect(await ensureStream(nats.connection, settings, create)).toEqual(found);
    });

    it('takes 0 for no limits', async () => {
      const unlimited = { ...settings, maxAgeMs: 0, maxBytes: 0 };
      expect(await ensureStream(nats.connection, unlimited, create)).toMatchObject({ maxAgeMs: 0, maxBytes: 0 });
      expect(await configOf()).toMatchObject({ max_age: 0, max_bytes: -1 });
    });

    it('says STREAM_MISSING where it may not make one', async () => {
      await expect(ensureStream(nats.connection, settings, look)).rejects.toEqual(code('STREAM_MISSING'));
      await expect(nats.jsm.streams.info(settings.name)).rejects.toThrow(/not found/);
    });

    it('makes one stream when several make it at the same moment', async () => {
      const reports = await Promise.all(
        [1, 2, 3].map((n) => ensureStream(nats.connection, { ...settings, maxBytes: n * 1_000_000 }, create)),
      );
      expect(reports.filter(({ created }) => created).length).toBe(1);
      const { max_bytes } = await configOf();
      for (const report of reports) expect(report.maxBytes).toBe(max_bytes);
    });

    it('refuses an unsuitable stream with every reason, and leaves it as it is', async () => {
      const given = await nats.newStream({ max_msgs_per_subject: 1, retention: 'workqueue' as never });
      const before = (await nats.jsm.streams.info(given.name)).config;
      const refused = ensureStream(nats.connection, { ...settings, name: given.name }, create);
      await expect(refused).rejects.toMatchObject({
        code: 'STREAM_UNSUITABLE',
        problems: [
          expect.stringContaining('retention'),
          expect.stringContaining('max_msgs_per_subject'),
          expect.stringContaining(settings.subjects[0]!),
        ],
      });
      expect((await nats.jsm.streams.info(given.name)).config).toEqual(before);
    });

    it.each([
      ['three replicas on one server', { replicas: 3 }, /replicas|clustered/i],
      ['subjects of another stream', { subjects: ['taken.*'] }, /overlap/i],
      ['a window longer than the age', { maxAgeMs: 60_000 }, /window/i],
    ])('says why the server refuses %s', async (_what, changes, reason) => {
      if ('subjects' in changes) await nats.newStream({ subjects: ['taken.>'] });
      const refused = ensureStream(nats.connection, { ...settings, ...changes }, create);
      await expect(refused).rejects.toMatchObject({
        code: 'STREAM_UNSUITABLE',
        problems: [expect.stringMatching(reason)],
      });
    });

    it('warns of an old server and of memory storage, and uses both', async () => {
      const given = await nats.newStream({ storage: 'memory' as never });
      const wanted = { ...settings, name: given.name, subjects: [`${given.prefix}>`] };
      const { storage, warnings } = await ensureStream(nats.connection, wanted, look);
      expect(storage).toBe('memory');
      expect(warnings).toContainEqual(expect.stringContaining('storage is memory'));
      const isOld = /^2\.(9|10)\./.test(binary.version);
      expect(warnings.some((warning) => warning.includes('recommended'))).toBe(isOld);
    });

    it('is right about mirrors: a whole one has the numbers of its origin, a part of one has holes', async () => {
      const origin = await nats.newStream();
      for (const token of ['a', 'b', 'a', 'b', 'a']) await nats.store(origin.prefix + token, 'x');
      const mirrors = [
        ['WHOLE', {}, 5],
        ['PART', { filter_subject: `${origin.prefix}a` }, 3],
      ] as const;
      for (const [mirror, filter, messages] of mirrors) {
        const name = `${mirror}${count}`;
        await nats.jsm.streams.add({ name, mirror: { name: origin.name, ...filter } });
        const stateOf = async () => (await nats.jsm.streams.info(name)).state;
        await until(async () => (await stateOf()).messages === messages, 10_000, `${messages} messages in ${name}`);
        expect((await stateOf()).last_seq).toBe(5);
        const judged = ensureStream(nats.connection, { ...settings, name }, look);
        if (mirror === 'PART') await expect(judged).rejects.toEqual(code('STREAM_UNSUITABLE'));
        else expect((await judged).warnings).toContainEqual(expect.stringContaining(`mirrors ${origin.name}`));
      }
    });
  });
}
