/**
 * `ledger`: accounts with deposits and withdrawals that never go below zero, unless `overdraft` is allowed.
 *
 * Amounts are whole numbers of the smallest unit (cents): sums of fractions would depend on rounding.
 * A withdrawal that is not covered is refused and counted; it is a decision about the account, not an error.
 */
import { MillraceError } from '../errors.js';
import { defineActor } from './define-actor.js';

/** State of an account. */
export interface Account {
  readonly balance: number;
  readonly deposits: number;
  readonly withdrawals: number;
  /** Withdrawals that were not covered. */
  readonly refused: number;
}

/** Data of an event, with its type either in `type` or in `data.type`. */
export interface Movement {
  readonly type?: string;
  readonly amount: number;
}

export const ledger = defineActor<Account, Movement>((options) => {
  const { overdraft = false, ...unknown } = options;
  const problems = Object.keys(unknown).map((name) => `ledger has no option ${JSON.stringify(name)}`);
  if (typeof overdraft !== 'boolean') problems.push('ledger: overdraft must be true or false');
  if (problems.length > 0) throw new MillraceError('HANDLER_INVALID', problems.join('; '), { problems });
  return {
    name: 'ledger',
    initial: () => ({ balance: 0, deposits: 0, withdrawals: 0, refused: 0 }),
    apply(account, event) {
      const amount = event.data?.amount;
      const { balance, deposits, withdrawals, refused } = account;
      if (!Number.isSafeInteger(amount) || amount <= 0) throw new TypeError('amount must be a whole number above 0');
      const type = event.type ?? event.data?.type;
      switch (type) {
        case 'deposit':
          return { balance: checked(balance + amount), deposits: deposits + 1, withdrawals, refused };
        case 'withdrawal':
          if (overdraft !== true && balance < amount) return { balance, deposits, withdrawals, refused: refused + 1 };
          return { balance: checked(balance - amount), deposits, withdrawals: withdrawals + 1, refused };
        default:
          throw new TypeError(`type must be deposit or withdrawal, not ${JSON.stringify(type)}`);
      }
    },
  };
});

function checked(balance: number): number {
  if (!Number.isSafeInteger(balance)) throw new RangeError('the balance would no longer be exact');
  return balance;
}
