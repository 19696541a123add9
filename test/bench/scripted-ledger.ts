/**
 * The ledger as it is written by hand: one Redis script per event, with a set of the ids that were applied. What it
 * guarantees is in the script: id and state change together or not at all. The set of ids grows for ever.
 */
import { Redis } from 'ioredis';
import type { FilledStream } from './fill-stream.js';

/** KEYS: ids, accounts. ARGV: id, key, type, amount. Returns 1 if the event was applied, 0 if its id was there. */
const SCRIPT = `
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
local text = redis.call('HGET', KEYS[2], ARGV[2])
local account = text and cjson.decode(text) or { balance = 0, deposits = 0, withdrawals = 0, refused = 0 }
local amount = tonumber(ARGV[4])
if ARGV[3] == 'deposit' then
  account.balance = account.balance + amount
  account.deposits = account.deposits + 1
elseif account.balance < amount then
  account.refused = account.refused + 1
else
  account.balance = account.balance - amount
  account.withdrawals = account.withdrawals + 1
end
redis.call('HSET', KEYS[2], ARGV[2], cjson.encode(account))
return 1`;

interface Movement {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly amount: number };
}

interface Account {
  readonly deposits: number;
  readonly withdrawals: number;
  readonly refused: number;
}

export class ScriptedLedger {
  readonly #redis: Redis & { applyMovement?: (...args: readonly string[]) => Promise<number> };
  readonly #ids = new Set<string>();

  constructor(url: string) {
    this.#redis = new Redis(url, { protocol: 2 });
    this.#redis.defineCommand('applyMovement', { numberOfKeys: 2, lua: SCRIPT });
  }

  /** Resolves when Redis has answered. */
  async apply(key: string, body: string): Promise<void> {
    const { id, type, data } = JSON.parse(body) as Movement;
    this.#ids.add(id);
    await this.#redis.applyMovement!('ids', 'accounts', id, key, type, String(data.amount));
  }

  /** Throws if an event was lost or applied twice; empties the store. */
  async check({ messages, duplicates }: FilledStream): Promise<void> {
    let applied = 0;
    for (const text of await this.#redis.hvals('accounts')) {
      const { deposits, withdrawals, refused } = JSON.parse(text) as Account;
      applied += deposits + withdrawals + refused;
    }
    if (applied !== this.#ids.size || applied < messages - duplicates)
      throw new Error(`${applied} movements were applied, ${this.#ids.size} ids came`);
    await this.#redis.flushall();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
