/** A node says once that a service is away, and once that it is back (M1, M2). */
import { describe, expect, it } from 'vitest';
import { onePerOutage } from '../../src/observability/outage-line.js';
import type { LogLine } from '../../src/ports/log.js';

function listening() {
  const lines: string[] = [];
  const line: LogLine = (level, event) => {
    if (level !== 'debug') lines.push(event);
  };
  return { lines, line: onePerOutage(line) };
}

const away = { code: 'REDIS_UNREACHABLE' };

describe('onePerOutage', () => {
  it('M1: an outage that 64 partitions and three connections meet is one line, and its end another', () => {
    const { lines, line } = listening();
    for (let outage = 0; outage < 2; outage++) {
      line('warn', 'redis.waiting', { error: 'ECONNREFUSED' });
      for (let p = 0; p < 64; p++) line('warn', 'checkpoint.commit.waiting', p % 2 ? away : { code: 'COMMIT_TIMEOUT' });
      line('warn', 'state.load.waiting', away);
      for (let c = 0; c < 3; c++) line('info', 'redis.connected', {});
      for (let p = 0; p < 64; p++) line('info', 'checkpoint.commit.recovered', { failures: 1 });
    }
    expect(lines).toEqual(['redis.waiting', 'redis.connected', 'redis.waiting', 'redis.connected']);
  });

  it('M1: without a new connection it ends with the last work that waited, also where that was given up', () => {
    const { lines, line } = listening();
    for (let i = 0; i < 3; i++) line('warn', 'checkpoint.commit.waiting', { code: 'REDIS_UNAVAILABLE' });
    line('info', 'checkpoint.commit.recovered', {});
    line('debug', 'checkpoint.commit.abandoned', {});
    expect(lines).toEqual(['checkpoint.commit.waiting']);
    line('info', 'checkpoint.commit.recovered', {});
    line('warn', 'checkpoint.commit.waiting', { code: 'REDIS_UNAVAILABLE' });
    const twice = ['checkpoint.commit.waiting', 'checkpoint.commit.recovered', 'checkpoint.commit.waiting'];
    expect(lines).toEqual(twice);
  });

  it('M1: NATS and Redis are two outages, and what a lost thread waited for hides no later one', () => {
    const { lines, line } = listening();
    line('warn', 'partition.claim.waiting', { code: 'NATS_UNREACHABLE' });
    line('warn', 'checkpoint.commit.waiting', away);
    line('error', 'thread.lost', {});
    line('warn', 'checkpoint.commit.waiting', away);
    expect(lines).toEqual([
      'partition.claim.waiting',
      'checkpoint.commit.waiting',
      'thread.lost',
      'checkpoint.commit.waiting',
    ]);
  });

  it('M2: everything else is passed on', () => {
    const { lines, line } = listening();
    for (const event of ['node.ready', 'redis.connected', 'nats.connected', 'partition.halted', 'partition.halted'])
      line('info', event, {});
    expect(lines).toEqual(['node.ready', 'redis.connected', 'nats.connected', 'partition.halted', 'partition.halted']);
  });
});
