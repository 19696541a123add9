/** A short run of `npm run cluster`: three nodes on three nats-servers, killed, frozen and restarted under load. */
import { expect, it, vi } from 'vitest';
import { runCluster } from './cluster-run.js';
import { screenOf, type View } from './screen.js';

// Every wait inside has a deadline of its own; this one is for slow machines.
vi.setConfig({ testTimeout: 600_000 });

it('three nodes on three nats-servers, killed, frozen and restarted under load: the state is that of the oracle', async () => {
  const seen: string[][] = [];
  const show = (view: View): void => {
    seen.push(screenOf(view));
  };
  const result = await runCluster({ lengthMs: 15_000, nodes: 3, faults: true, seed: 11, rate: 500, show });
  expect(result.violations).toEqual([]);
  expect(result.events).toBeGreaterThan(7_500);
  expect(result.applied + result.duplicates + result.deadLetters).toBe(result.events);
  expect(Object.values(result.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  expect(result.moves.handedOver + result.moves.takenOver).toBeGreaterThan(0);
  expect(result.moves.replayed).toBe(0);
  const screen = seen.map((lines) => lines.join('\n'));
  expect(screen.some((text) => /^node-\d +running +\d+ {2}\d+–\d+/m.test(text))).toBe(true);
  for (const lines of seen) for (const line of lines) expect(line.length).toBeLessThan(100);
});
