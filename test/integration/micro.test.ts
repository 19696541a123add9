/** A node as a service of NATS: it is found, counted, and answers requests for states (ADR-32). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.js';
import { QuestionsWorld, type TestApp } from './questions-world.js';

let world: QuestionsWorld;
let app: TestApp;

beforeAll(async () => {
  world = await QuestionsWorld.start();
  app = await (await world.app()).run();
  await app.publish({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a', at: 5 });
  await app.untilStored('a', ['a1', 'a2']);
});

afterAll(async () => {
  await world?.stop();
});

// biome-ignore lint/suspicious/noExplicitAny: which fields there are is what the tests test
const ask = async (subject: string, request = ''): Promise<{ body: any; error: string }> => {
  const reply = await world.cluster.nc.request(subject, request, { timeout: 10_000 });
  return {
    body: reply.string() === '' ? undefined : reply.json(),
    error: reply.headers?.get('Nats-Service-Error-Code') ?? '',
  };
};

describe('the service', () => {
  it('is found under its name and id', async () => {
    const name = `millrace-${app.name}`;
    const { body } = await ask(`$SRV.PING.${name}`);
    expect(body).toMatchObject({ type: 'io.nats.micro.v1.ping_response', name, metadata: { app: app.name } });
    expect(body.version).toMatch(/^\d+\.\d+\.\d+/);
    expect((await ask(`$SRV.PING.${name}.${body.id}`)).body).toEqual(body);
    expect((await ask('$SRV.INFO')).body).toMatchObject({
      type: 'io.nats.micro.v1.info_response',
      endpoints: [{ name: 'state-get', subject: `millrace.${app.name}.state.get`, queue_group: 'q' }],
    });
  });

  it('answers with the state of a key, waits for an event, and says what is wrong', async () => {
    const subject = `millrace.${app.name}.state.get`;
    expect((await ask(subject, 'a')).body).toMatchObject({ key: 'a', state: ['a1', 'a2'], applied: 2 });
    const sequence = await app.publish({ id: 'a3', key: 'a', at: 10 });
    const after = `${app.name.toUpperCase()}:${sequence}:${app.partition('a')}`;
    expect((await ask(subject, JSON.stringify({ key: 'a', after, waitMs: 9_000 }))).body.state).toEqual([
      'a1',
      'a2',
      'a3',
    ]);
    expect(await ask(subject, '{"after":1}')).toEqual({ body: undefined, error: '400' });
    const { body } = await ask(`$SRV.STATS.millrace-${app.name}`);
    expect(body.endpoints[0]).toMatchObject({
      num_requests: 3,
      num_errors: 1,
      last_error: expect.stringContaining('REQUEST_INVALID'),
    });
    expect(body.endpoints[0].processing_time).toBeGreaterThan(0);
  });

  it('is gone with the node', async () => {
    await app.drain();
    await until(
      () =>
        world.cluster.nc.request('$SRV.PING', '', { timeout: 500 }).then(
          () => false,
          () => true,
        ),
      10_000,
      'nobody answers',
    );
  });
});
