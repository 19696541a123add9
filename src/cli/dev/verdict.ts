/** The verdict at the end of `dev`: the stored state against the independent fold of the stream. */
import type { Options } from '../../options/types.js';
import type { DemoWorld } from './demo-world.js';
import type { ExpectedAccount } from './ledger-oracle.js';
import { LedgerOracle } from './ledger-oracle.js';
import type { Progress } from './progress.js';
import type { StoredAccount } from './stored-accounts.js';

export interface Verdict {
  readonly ok: boolean;
  readonly keys: number;
  /** Events in the stream, and of these: repeats, and those set aside by reason. */
  readonly events: number;
  readonly duplicates: number;
  readonly dead: Readonly<Record<string, number>>;
  /** What is not as it should be. */
  readonly problems: readonly string[];
}

export interface Case {
  readonly world: DemoWorld;
  readonly options: Options;
  /** For each stream, the sequence of the last event of the demo. */
  readonly lasts: readonly number[];
  /** Partitions that stood still at the end. */
  readonly halted: Progress['halted'];
}

/** Compares every key after the node has drained. */
export async function judge({ world, options, lasts, halted }: Case): Promise<Verdict> {
  const stored = await world.accounts();
  const { key } = options.event.format;
  const oracle = new LedgerOracle(stored, key.kind === 'token' ? key.index : 2);
  let open = 0;
  const capture = await world.capture((event) => {
    const before = oracle.undecided;
    oracle.take(event);
    if (oracle.undecided > before && event.sequence <= lasts[event.stream ?? 0]!) open++;
  });
  const expected = oracle.fold();
  const problems = [
    ...halted.map(({ partition, reason }) => `partition ${partition} stood still: ${reason}`),
    ...(capture.first > 1
      ? [`the stream has lost sequences 1 to ${capture.first - 1}, so nothing can be compared`]
      : []),
    ...(open > 0 ? [`${open} events were not decided`] : []),
    ...stored.misplaced.map((name) => `${name}: stored in a partition that is not its own`),
    ...oracle.unreadable.map((sequence) => `event ${sequence} is no deposit or withdrawal, but was not set aside`),
    ...differences(world.store, expected, stored.accounts),
  ];
  return {
    ok: problems.length === 0,
    keys: expected.size,
    events: oracle.events,
    duplicates: oracle.duplicates,
    dead: Object.fromEntries(oracle.dead),
    problems,
  };
}

function differences(
  store: string,
  expected: ReadonlyMap<string, ExpectedAccount>,
  stored: ReadonlyMap<string, StoredAccount>,
): string[] {
  const keys = new Set([...expected.keys(), ...stored.keys()]);
  return [...keys].flatMap((key) => {
    const want = described(expected.get(key));
    const have = described(storedAs(stored.get(key)));
    return want === have ? [] : [`${key}: ${store} has ${have}, the fold has ${want}`];
  });
}

/** The stored account in the shape of the fold. */
function storedAs(account: StoredAccount | undefined): ExpectedAccount | undefined {
  if (account === undefined) return undefined;
  const { balance, deposits, withdrawals, refused } = (account.state ?? {}) as ExpectedAccount;
  return { balance, deposits, withdrawals, refused, applied: account.applied, id: account.id };
}

function described(account: ExpectedAccount | undefined): string {
  return account === undefined ? 'nothing' : JSON.stringify(account);
}

const SHOWN_MAX = 10;

/** The verdict in words: one line if all is well, else the first problems. */
export function verdictText({ ok, keys, events, duplicates, dead, problems }: Verdict): string {
  const set = Object.entries(dead).map(([code, count]) => `${count} ${code}`);
  const aside = set.length === 0 ? '' : `, set aside: ${set.join(', ')}`;
  const facts = `${count(keys, 'key')}, ${count(events, 'event')} published, ${count(duplicates, 'duplicate')} dropped${aside}`;
  if (ok) return `OK: ${facts}, final state equals an independent fold`;
  const more = problems.length > SHOWN_MAX ? [`  … and ${problems.length - SHOWN_MAX} more`] : [];
  const shown = problems.slice(0, SHOWN_MAX).map((problem) => `  - ${problem}`);
  return [`FAILED: ${facts}; the final state is not an independent fold`, ...shown, ...more].join('\n');
}

const count = (value: number, word: string): string =>
  `${value.toLocaleString('en-US')} ${word}${value === 1 ? '' : 's'}`;
