/** A node that is told to stop before it is ready has nothing to save: it ends at once, in good order, with exit code 0. */
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../src/services/free-port.js';
import { killCommands, start } from './cli-process.js';

afterEach(() => killCommands());

/** A node whose servers do not answer. */
async function waitingNode(env: NodeJS.ProcessEnv = {}) {
  const [nats, redis] = [await freePort(), await freePort()];
  const servers = ['--nats', `nats://127.0.0.1:${nats}`, '--redis', `redis://127.0.0.1:${redis}`];
  return start(['run', ...servers, '--http-port', '0', '--probes-port', '0'], { env });
}

const namesOf = (events: readonly Record<string, unknown>[]): unknown[] => events.map(({ event }) => event);

it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s while it waits for its servers is a clean stop', async (name) => {
  const node = await waitingNode();
  await node.event('nats.waiting');
  node.child.kill(name);
  const { code, err } = await node.ended();
  expect([code, err]).toEqual([0, '']);
  expect(namesOf(node.events())).toEqual(['nats.waiting', 'node.stopping', 'node.stopped']);
});

/** Sends SIGTERM as soon as anybody listens, which is before the rest of the command is there. */
const preload = `const tick = () => {
  if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
  else setImmediate(tick);
};
setImmediate(tick);`;
const early = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };

it('a signal that comes while the command is being loaded is not lost', async () => {
  const node = await waitingNode(early);
  const { code, err } = await node.ended();
  expect([code, err]).toEqual([0, '']);
  expect(namesOf(node.events())).toEqual(['node.stopping', 'node.stopped']);
});

it('nor is one for a command that has nothing to stop: it does not begin', async () => {
  const { code, out, err } = await start(['config'], { env: early }).ended();
  expect([code, out, err]).toEqual([143, '', '']);
});
