/**
 * When a quiet partition may apply what it still holds: only once the log has proven that nothing else was stored.
 * The router alone, with a log and a clock in the test's hands.
 */
import { expect, it } from 'vitest';
import type { ReadSink } from '../../src/ports/event-log.js';
import type { MainToHost } from '../../src/protocol/messages.js';
import { Router } from '../../src/runtime/router.js';

const NO_BYTES = new Uint8Array(0);

/** A router with one partition, everything that its host was told, and the clock. */
async function start(heartbeatMs?: number) {
  let elapsed = 1_000;
  let sink: ReadSink | undefined;
  let deferred: (() => void)[] = [];
  const told: MainToHost[] = [];
  const router = new Router(
    { stream: 'S', index: 0, partitions: 1, inFlightBytesMax: 1_000_000, heartbeatMs },
    {
      clock: { now: () => elapsed, elapsed: () => elapsed, after: () => () => undefined },
      route: () => 0,
      defer: (callback) => deferred.push(callback),
      events: { hole: () => expect.unreachable(), failed: () => expect.unreachable() },
      log: {
        info: async () => ({ stream: 'S', first: 1, last: 0 }),
        timeOf: async () => undefined,
        read: async (_stream, _from, reader) => {
          sink = reader;
          return { pause: () => undefined, resume: () => undefined, stop: async () => undefined };
        },
      },
    },
  );
  router.openLane(0, {
    post: (message) => told.push(message),
    terminate: async () => undefined,
    exited: new Promise(() => undefined),
  });
  router.run({
    partition: 0,
    slot: 0,
    epoch: 1,
    position: { floor: 0, above: [] },
    anchor: { sequence: 0, time: '' },
    gap: [],
  });
  await router.rewind();
  return {
    router,
    pass: (ms: number) => {
      elapsed += ms;
    },
    event: (sequence: number, timeMs: number) => sink!.event(sequence, timeMs, 0, NO_BYTES, undefined, NO_BYTES),
    proof: () => sink!.caughtUp(),
    /** Ends this turn of the event loop. */
    turn: () => {
      const callbacks = deferred;
      deferred = [];
      for (const callback of callbacks) callback();
    },
    /** The newest stream time that the host was told. */
    time: () => Math.max(...told.map((message) => ('streamTime' in message ? message.streamTime : 0))),
    /** Takes a batch in, as a host does. */
    take: () => {
      const batch = told.findLast((message) => message.kind === 'batch')!;
      router.done(0, batch.buffer, batch.length);
    },
  };
}

it('the stream’s time goes on from proof to proof', async () => {
  const { event, proof, turn, pass, time } = await start();
  event(1, 50_000);
  proof();
  turn();
  expect(time()).toBe(50_000);
  pass(500);
  proof();
  turn();
  pass(500);
  proof();
  turn();
  expect(time()).toBe(51_000);
});

it('an event that comes in the same turn as a heartbeat after a long silence counts from its own arrival', async () => {
  const { event, proof, turn, pass, time } = await start();
  event(1, 50_000);
  proof();
  turn();
  pass(10_000);
  proof();
  event(2, 60_000);
  proof();
  turn();
  // The time of the event before was added: 70,000, and the new event was applied without its settle window.
  expect(time()).toBe(60_000);
});

it('a proof that took long is worth no more than the next one that was due', async () => {
  const { event, proof, turn, pass, time } = await start(500);
  event(1, 50_000);
  proof();
  turn();
  pass(400);
  proof();
  turn();
  pass(3_500);
  proof();
  turn();
  // The network held it back for 3 s, and what was stored at 51,000 comes right behind it.
  expect(time()).toBe(50_900);
  event(2, 51_000);
  turn();
  expect(time()).toBe(51_000);
});

it('a silent log proves nothing: time stands still although hosts answer', async () => {
  const { event, proof, turn, pass, time, take } = await start();
  event(1, 50_000);
  proof();
  turn();
  pass(3_000);
  take();
  turn();
  // It went on to 53,000 by the clock alone; what was stored meanwhile came too late.
  expect(time()).toBe(50_000);
  event(2, 50_700);
  turn();
  expect(time()).toBe(50_700);
});
