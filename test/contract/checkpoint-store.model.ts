/**
 * Random schedules of three owners, on a store and on the reference model: the same verdicts, the same data.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuardedRecord } from '../../src/core/checkpoint/guard.js';
import { commitOf, type StoreUnderTest } from './checkpoint-store.contract.js';
import { memoryStore } from './memory-under-test.js';

type Step =
  | { readonly kind: 'read' | 'claim' | 'reclaim' | 'commit' | 'resend' | 'skip'; readonly owner: number }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'lose' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), owner: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('claim' as const, 'reclaim' as const), owner: fc.nat(2) }),
    },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('commit' as const), owner: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('resend' as const, 'skip' as const), owner: fc.nat(2) }),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'snapshot' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'rollback' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'lose' }) },
  ),
  { minLength: 20, maxLength: 60, size: 'max' },
);

export function checkpointStoreModel(name: string, create: () => Promise<StoreUnderTest>): void {
  describe(`${name} against the reference model`, () => {
    it('gives identical verdicts and data for random schedules of three owners', async () => {
      const property = fc.asyncProperty(steps, async (schedule) => {
        const model = await memoryStore();
        const real = await create();
        try {
          expect(await play(real, schedule)).toEqual(await play(model, schedule));
        } finally {
          await real.close();
        }
      });
      await fc.assert(property, { numRuns: 60 });
    });
  });
}

interface Believer {
  readonly index: number;
  /** Which claim of this owner's it is; another life is another owner to the store. */
  life: number;
  seen: GuardedRecord | undefined;
  number: number;
}

/** Everything that a schedule can see of a store, as text. Each owner believes what it saw or wrote last. */
async function play(subject: StoreUnderTest, schedule: readonly Step[]): Promise<string[]> {
  const { store } = subject;
  const owners = [0, 1, 2].map((index): Believer => ({ index, life: 0, seen: undefined, number: 0 }));
  let rollback = await subject.snapshot();
  const trace: string[] = [];
  for (const [at, step] of schedule.entries()) {
    if (step.kind === 'snapshot') rollback = await subject.snapshot();
    else if (step.kind === 'rollback') await rollback();
    else if (step.kind === 'lose') await subject.loseRecord(7);
    else {
      const owner = owners[step.owner]!;
      const name = (): string => `${owner.life}:${owner.index}`;
      if (step.kind === 'read') owner.seen = await store.read(7);
      else if (step.kind === 'claim' || step.kind === 'reclaim') {
        if (step.kind === 'claim') owner.life++;
        const { seen } = owner;
        const verdict = await store.claim({ partition: 7, owner: name(), seen, record: `claim ${at}` });
        if (verdict === 'accept') owner.number = seen?.number ?? 0;
        trace.push(`claim ${verdict}`);
      } else {
        const number = owner.number + { commit: 1, resend: 0, skip: 2 }[step.kind];
        const fields = { set: [[`${at}`, `${at}`] as const], remove: [`${at - 5}`] };
        const outbox = { set: [[`app.7.${at}.0`, `${at}`] as const], remove: [`app.7.${at - 4}.0`] };
        const dedupePut = [{ number: at, bytes: Uint8Array.of(at) }];
        const changes = {
          record: `commit ${at}`,
          state: fields,
          dead: fields,
          outbox,
          dedupePut,
          dedupeDrop: [at - 6],
        };
        const verdict = await store.commit(commitOf(name(), number, changes));
        if (verdict === 'accept') owner.number = number;
        trace.push(`commit ${verdict}`);
      }
    }
    const loaded = await store.load(7);
    trace.push(JSON.stringify(loaded && { ...loaded, segments: loaded.segments.map(({ bytes }) => [...bytes]) }));
    trace.push(String(await store.loadStates(7, [`${at}`, `${at - 1}`])), String(await store.deadLetters(7, 0, 50)));
  }
  return trace;
}
