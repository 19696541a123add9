/** The fold that judges the demo must itself be right: checked against sums done by hand. */
import { describe, expect, it } from 'vitest';
import { AccountEvents, LAG_MS_MAX } from '../../src/cli/dev/account-events.js';
import { type Decisions, LedgerOracle } from '../../src/cli/dev/ledger-oracle.js';
import type { CapturedEvent } from '../../src/cli/dev/stream-capture.js';
import { verdictText } from '../../src/cli/dev/verdict.js';

const allDecided: Decisions = { reasonOf: () => undefined, isDecided: () => true };

function captured(
  sequence: number,
  body: object | string,
  options: { subject?: string; headers?: object } = {},
): CapturedEvent {
  const headers = new Map(Object.entries(options.headers ?? {}));
  return {
    ...{ sequence, streamTime: 1_000 + sequence, subject: options.subject ?? 'events.a' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    header: (name) => headers.get(name),
  };
}

function folded(events: readonly CapturedEvent[], decisions = allDecided): LedgerOracle {
  const oracle = new LedgerOracle(decisions, 2);
  for (const event of events) oracle.take(event);
  return oracle;
}

const move = (id: string, time: number, amount: number): object => ({
  ...{ id, time, type: amount > 0 ? 'deposit' : 'withdrawal' },
  data: { amount: Math.abs(amount) },
});

describe('LedgerOracle', () => {
  it('folds in the order of time, then of the stream, and refuses what is not covered', () => {
    const oracle = folded([
      captured(1, move('w', 20, -50)),
      captured(2, move('d', 10, 60)),
      captured(3, move('v', 20, -20)),
    ]);
    expect(oracle.fold().get('a')).toEqual({
      balance: 10,
      deposits: 1,
      withdrawals: 1,
      refused: 1,
      applied: 3,
      id: 'v',
    });
  });

  it('counts the first of equal ids of a key, wherever the id stands, and keeps keys apart', () => {
    const oracle = folded([
      captured(1, move('x', 10, 5)),
      captured(2, move('x', 99, 7)),
      captured(3, { time: 11, type: 'deposit', data: { amount: 1 } }, { headers: { 'Nats-Msg-Id': 'x' } }),
      captured(4, move('x', 10, 5), { subject: 'events.b%2E1' }),
    ]);
    expect(oracle.duplicates).toBe(2);
    expect([...oracle.fold()].map(([key, { balance }]) => [key, balance])).toEqual([
      ['a', 5],
      ['b.1', 5],
    ]);
  });

  it('leaves dead letters out; a repetition of a late one is a duplicate, of an invalid one is not', () => {
    const dead = new Map([
      [2, 'EVENT_LATE'],
      [4, 'EVENT_INVALID'],
    ]);
    const oracle = folded(
      [
        captured(1, move('a', 10, 5)),
        captured(2, move('b', 5, 5)),
        captured(3, move('b', 5, 5)),
        captured(4, { id: 'c', type: 3 }),
        captured(5, move('c', 11, 2)),
      ],
      { reasonOf: ({ sequence }) => dead.get(sequence), isDecided: () => true },
    );
    expect(Object.fromEntries(oracle.dead)).toEqual({ EVENT_LATE: 1, EVENT_INVALID: 1 });
    expect(oracle.duplicates).toBe(1);
    expect(oracle.fold().get('a')).toMatchObject({ balance: 7, applied: 2 });
  });

  it('does not fold what is not decided yet, and says what is no movement', () => {
    const oracle = folded([captured(1, move('a', 10, 5)), captured(2, 'not JSON'), captured(3, move('b', 11, 5))], {
      reasonOf: () => undefined,
      isDecided: (_, sequence) => sequence < 3,
    });
    expect(oracle.undecided).toBe(1);
    expect(oracle.unreadable).toEqual([2]);
    expect(oracle.fold().get('a')?.applied).toBe(1);
  });

  it('reads times as people write them, CloudEvents, and the type in the data', () => {
    const oracle = folded([
      captured(1, { id: '1', time: '1970-01-01T00:00:00.020Z', type: 'deposit', data: { amount: 1 } }),
      captured(2, { id: '2', time: '15', data: { type: 'withdrawal', amount: 1 } }),
      captured(
        3,
        { amount: 4 },
        {
          headers: {
            'ce-specversion': '1.0',
            'ce-id': '3',
            'ce-time': '1970-01-01T00:00:00.010Z',
            'ce-type': 'deposit',
          },
        },
      ),
      captured(4, { id: '4', type: 'withdrawal', data: { amount: 4 } }), // the stream's time: the last
    ]);
    expect(oracle.fold().get('a')).toEqual({
      balance: 0,
      deposits: 2,
      withdrawals: 2,
      refused: 0,
      applied: 4,
      id: '4',
    });
  });
});

describe('AccountEvents', () => {
  it('are deposits and withdrawals with right times, late by less than a second, with ids of their own', () => {
    const now = 1_700_000_000_000;
    const events = new AccountEvents(200, Math.random);
    const made = Array.from({ length: 2_000 }, () => events.next(now));
    const bodies = made.map(({ body }) => JSON.parse(body) as { id: string; time: number; data: { amount: number } });
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(2_000);
    expect(new AccountEvents(200, Math.random).next(now).id).not.toBe(made[0]!.id);
    for (const { time, data } of bodies) {
      expect(now - time).toBeGreaterThanOrEqual(0);
      expect(now - time).toBeLessThanOrEqual(LAG_MS_MAX);
      expect(Number.isSafeInteger(data.amount) && data.amount > 0).toBe(true);
    }
    expect(Math.max(...bodies.map(({ time }) => now - time))).toBeGreaterThan(700);
    expect(new Set(made.map(({ named }) => named))).toEqual(new Set([true, false]));
  });
});

describe('verdictText', () => {
  const verdict = { ok: true, keys: 200, events: 5_139, duplicates: 140, dead: {}, problems: [] };

  it('is one line when all is well', () => {
    expect(verdictText(verdict)).toBe(
      'OK: 200 keys, 5,139 events published, 140 duplicates dropped, final state equals an independent fold',
    );
    expect(verdictText({ ...verdict, dead: { EVENT_LATE: 2 } })).toContain('set aside: 2 EVENT_LATE');
  });

  it('names the first problems when it is not', () => {
    const problems = Array.from({ length: 12 }, (_, i) => `account-${i}: Redis has nothing`);
    const lines = verdictText({ ...verdict, ok: false, problems }).split('\n');
    expect(lines[0]).toMatch(/^FAILED: /);
    expect(lines).toHaveLength(12);
    expect(lines.at(-1)).toBe('  … and 2 more');
  });
});
