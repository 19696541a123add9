/** The public door as TypeScript users see it. What is wrong here does not compile. */
import { expect, expectTypeOf, it } from 'vitest';
import type { EmbeddedNode, Event, KeyState, OptionsInput, Outcome, Receipt } from '../../src/index.js';
import * as door from '../../src/index.js';

it('exports these names and no others', () => {
  expect(Object.keys(door).sort()).toEqual(
    ['MillraceError', 'createNode', 'createPublisher', 'createTestCluster', 'defineActor', 'parseReceipt'].sort(),
  );
});

it('knows the types of state and data in a handler', () => {
  door.defineActor<{ readonly total: number }, { readonly price: number }>({
    name: 'typed',
    initial: (key) => {
      expectTypeOf(key).toEqualTypeOf<string>();
      return { total: 0 };
    },
    apply(state, event, context) {
      expectTypeOf(state).toEqualTypeOf<{ readonly total: number }>();
      expectTypeOf(event).toEqualTypeOf<Event<{ readonly price: number }>>();
      expectTypeOf(context.emit).toEqualTypeOf<(subject: string, data: unknown) => void>();
      return { total: state.total + event.data.price };
    },
  });
  // @ts-expect-error the next state must be of the state's type
  door.defineActor<number>({ name: 'wrong', initial: () => 0, apply: () => 'text' });
});

it('knows options by name, nodes by what they do, and receipts', () => {
  expectTypeOf<OptionsInput>().toHaveProperty('order');
  // @ts-expect-error a name that is none
  const wrong: OptionsInput = { ordre: { mode: 'time' } };
  expect(wrong).toBeDefined();
  expectTypeOf<EmbeddedNode['get']>().returns.resolves.toEqualTypeOf<KeyState>();
  expectTypeOf(door.parseReceipt).returns.toEqualTypeOf<Receipt>();
  expectTypeOf<Outcome['state']>().returns.resolves.toEqualTypeOf<unknown>();
  expectTypeOf(door.createTestCluster).parameter(0).toHaveProperty('seed');
});
