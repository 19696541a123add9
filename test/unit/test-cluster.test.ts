/** The test cluster that ships: users' tests over the real engine, in virtual time, with faults by seed. */
import { describe, expect, it } from 'vitest';
import type { Fault, TestEvent } from '../../src/index.js';
import { createTestCluster, defineActor } from '../../src/index.js';

interface Account {
  readonly balance: number;
  readonly seen: readonly string[];
}

const account = defineActor<Account, { readonly amount: number }>({
  name: 'account',
  initial: () => ({ balance: 0, seen: [] }),
  apply(state, event, context) {
    if (event.type === 'withdrawal' && event.data.amount > state.balance) throw new RangeError('not enough');
    const amount = event.type === 'withdrawal' ? -event.data.amount : event.data.amount;
    if (event.type === 'withdrawal') context.emit(`paid.${event.key}`, event.data);
    return { balance: state.balance + amount, seen: [...state.seen, event.id] };
  },
});

const keys = ['ann', 'bob', 'cy', 'dee', 'eve'];
const events: TestEvent[] = Array.from({ length: 60 }, (_, at) => ({
  key: keys[at % keys.length]!,
  type: at % 4 === 3 ? 'withdrawal' : 'deposit',
  data: { amount: at % 4 === 3 ? 5 : 10 },
}));

describe('createTestCluster', () => {
  it('applies events in the order of their times, and says what it did', async () => {
    const bank = createTestCluster({ actor: account });
    await bank
      .given({
        key: 'ann',
        id: 'second',
        time: Date.UTC(2026, 0, 1, 0, 0, 2),
        type: 'withdrawal',
        data: { amount: 30 },
      })
      .given({ key: 'ann', id: 'first', time: Date.UTC(2026, 0, 1, 0, 0, 1), type: 'deposit', data: { amount: 50 } })
      .given({ key: 'bob', id: 'poor', type: 'withdrawal', data: { amount: 1 } })
      .then(async (outcome) => {
        expect(await outcome.state('ann')).toEqual({ balance: 20, seen: ['first', 'second'] });
        expect(await outcome.state('nobody')).toBeUndefined();
        expect(await outcome.deadLetters()).toMatchObject([{ id: 'poor', code: 'HANDLER_THREW' }]);
        expect(await outcome.outputs()).toEqual([{ subject: 'paid.ann', data: { amount: 30 } }]);
      });
    const more = await bank.given({ key: 'ann', id: 'third', type: 'deposit', data: { amount: 1 } });
    expect(await more.state('ann')).toMatchObject({ balance: 21 });
  });

  const faults: Fault[] = ['crash', 'thread-crash', 'zombie', 'store-rollback', { duplicates: 0.5 }, { disorder: 20 }];

  it.each(faults)('gives the same states whatever happens: %o', async (fault) => {
    const calm = await createTestCluster({ actor: account }).given(...events);
    const wanted = await calm.states();
    expect(Object.keys(wanted)).toEqual(keys);
    for (let seed = 1; seed <= 8; seed++) {
      const outcome = await createTestCluster({ actor: account, seed })
        .given(...events)
        .when(fault)
        .given(...[]);
      expect(await outcome.states(), `seed ${seed}`).toEqual(wanted);
      expect(await outcome.outputs(), `seed ${seed}`).toHaveLength((await calm.outputs()).length);
    }
  });

  it('and with all of it one after the other; disorder that outlasts the settle window would be late, and is not part of it', async () => {
    const wanted = await (await createTestCluster({ actor: account }).given(...events)).states();
    for (let seed = 1; seed <= 8; seed++) {
      const scenario = createTestCluster({ actor: account, seed })
        .given(...events)

        .when({ duplicates: 0.3 });
      const outcome = await scenario.when('crash').when('store-rollback').when('zombie').when('thread-crash');
      expect(await outcome.states(), `seed ${seed}`).toEqual(wanted);
    }
  });

  it('runs the same way for the same seed', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const outcome = await createTestCluster({ actor: account, seed })
        .given(...events)
        .when({ duplicates: 0.5 })
        .when('crash');
      return [await outcome.states(), await outcome.deadLetters(), await outcome.outputs()];
    };
    expect(JSON.stringify(await run(3))).toBe(JSON.stringify(await run(3)));
  });

  it('finds an actor that is not deterministic: what it answers depends on what happened', async () => {
    let calls = 0;
    const counting = defineActor<number>({ name: 'counting', initial: () => 0, apply: () => ++calls });
    const found = new Set<string>();
    for (let seed = 1; seed <= 6; seed++) {
      calls = 0;
      const outcome = await createTestCluster({ actor: counting, seed })
        .given(...events)
        .when('crash');
      found.add(JSON.stringify(await outcome.states()));
    }
    expect(found.size).toBeGreaterThan(1);
  });

  it('refuses what is wrong at once', () => {
    expect(() => createTestCluster({ actor: account, handlerOptions: { unknown: 1 } })).toThrow('takes no options');
    expect(() => createTestCluster({ actor: account, options: { partitions: 0 } })).toThrow('partitions');
  });
});
