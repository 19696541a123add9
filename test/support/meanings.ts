/** How the oracle reads Millrace's own form of events, and the ledger's arithmetic. Both written from the documentation. */
import type { Captured } from './capture.js';
import type { FoldedEvent, Meaning, Rules } from './oracle.js';

/** Millrace's JSON body in `events.<key>`. Knows every kind of poison that the workload publishes, no more. */
export function ownMeaning({ subject, headers, body }: Captured): Meaning {
  const token = subject.split('.')[1]!;
  const key = keyOf(token);
  const dead = (code: string): Meaning => ({ kind: 'dead', code, key: key ?? null, id: null, hashed: token });
  const text = body.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(body)) return dead('EVENT_NOT_UTF8');
  if (text.startsWith('['.repeat(65))) return dead('EVENT_TOO_DEEP');
  let event: Record<string, unknown>;
  try {
    event = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return dead('EVENT_INVALID');
  }
  if (key === undefined) return dead('EVENT_KEY_INVALID');
  const id = event.id ?? headers.get('nats-msg-id');
  if (typeof id !== 'string' || (event.key !== undefined && event.key !== key)) return dead('EVENT_INVALID');
  const time = timeOf(event.time);
  if (time === undefined) return dead('EVENT_INVALID');
  const number = event.sequence as number | undefined;
  return { kind: 'event', id, key, time, number, type: event.type as string | undefined, data: event.data };
}

export function timeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  const time = Date.parse(String(value));
  return new Date(time).toISOString() === value ? time : undefined;
}

/** The key whose token this is, or undefined: only the reserved bytes may be encoded, and must be. */
function keyOf(token: string): string | undefined {
  const rest = token.replaceAll(/%(?:[01][0-9A-F]|20|25|2A|2E|3E|7F)/g, '');
  return /[%*>\0- \x7f]/.test(rest) ? undefined : decodeURIComponent(token.replaceAll(/[^%\w-]/g, encodeURIComponent));
}

export interface Account {
  readonly balance: number;
  readonly deposits: number;
  readonly withdrawals: number;
  readonly refused: number;
}

/** Accounts that never go below zero. */
export const ledgerRules: Rules<Account> = {
  meaning: ownMeaning,
  initial: () => ({ balance: 0, deposits: 0, withdrawals: 0, refused: 0 }),
  fold: moveAccount,
};

function moveAccount({ balance, deposits, withdrawals, refused }: Account, { type, data }: FoldedEvent): Account {
  const movement = data as { type?: string; amount: number };
  const { amount } = movement;
  if (!(amount > 0)) throw new Error('no such movement');
  if ((type ?? movement.type) === 'deposit')
    return { balance: balance + amount, deposits: deposits + 1, withdrawals, refused };
  if (balance < amount) return { balance, deposits, withdrawals, refused: refused + 1 };
  return { balance: balance - amount, deposits, withdrawals: withdrawals + 1, refused };
}
