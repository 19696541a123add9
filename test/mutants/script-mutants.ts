/** The two scripts of the Redis store, run by a real redis-server. */
import type { Mutant } from './mutant.js';

const SCRIPTS = 'adapters/redis/scripts.js';
const suites = ['contract/checkpoint-store', 'integration/redis-checkpoint-store'];

const OWNER = "if owner ~= ARGV[1] then return 'fenced' end";
const NUMBER = "if number ~= ARGV[2] then return 'fenced' end";
const SET = "at = apply('HSET', KEYS[hash], at, ARGV[2 * hash + 1])";
const REMOVE = "at = apply('HDEL', KEYS[hash], at, ARGV[2 * hash + 2])";
const CLAIMED = "if owner ~= ARGV[3] or number ~= ARGV[4] then return 'fenced' end";

/** A hash whose values are counted past and not written. */
const forgets = (name: string, hash: number): Mutant => ({
  id: `script-forgets-${name}`,
  failure: `half a commit: the script does not write ${name}`,
  file: SCRIPTS,
  find: SET,
  replace: `if hash == ${hash} then at = at + ARGV[2 * hash + 1] else ${SET} end`,
  suites,
});

export const scriptMutants: readonly Mutant[] = [
  {
    id: 'script-skips-owner',
    failure: 'skip owner (script): epoch and nonce are not compared',
    file: SCRIPTS,
    find: OWNER,
    replace: "if not owner then return 'fenced' end",
    suites,
  },
  {
    id: 'script-skips-nonce',
    failure: 'skip nonce (script): of the owner only the epoch is compared',
    file: SCRIPTS,
    find: OWNER,
    replace: "if not owner or string.match(owner, '^%d+') ~= string.match(ARGV[1], '^%d+') then return 'fenced' end",
    suites,
  },
  {
    id: 'script-owner-at-least',
    failure: '>= for == (script): a higher epoch may commit',
    file: SCRIPTS,
    find: OWNER,
    replace:
      "if not owner or tonumber(string.match(ARGV[1], '^%d+')) < tonumber(string.match(owner, '^%d+')) then return 'fenced' end",
    suites,
  },
  {
    id: 'script-skips-number',
    failure: 'skip checkpoint number (script)',
    file: SCRIPTS,
    find: NUMBER,
    replace: '',
    suites,
  },
  {
    id: 'script-number-at-least',
    failure: '>= for == (script): a lower checkpoint number than the stored one is enough',
    file: SCRIPTS,
    find: NUMBER,
    replace: "if tonumber(ARGV[2]) < tonumber(number) then return 'fenced' end",
    suites,
  },
  {
    id: 'script-number-as-double',
    failure: 'numbers as Lua numbers (script): above 2^53 two of them are one',
    file: SCRIPTS,
    find: "if number == ARGV[3] then return 'already' end",
    replace: "if tonumber(number) == tonumber(ARGV[3]) then return 'already' end",
    suites,
  },
  {
    id: 'script-never-already',
    failure: 'resend naively (script): what was stored already is refused when it comes again',
    file: SCRIPTS,
    find: "if number == ARGV[3] then return 'already' end",
    replace: '',
    suites,
  },
  {
    id: 'script-writes-refused',
    failure: 'state before position (script): a refused commit leaves its states',
    file: SCRIPTS,
    find: OWNER,
    replace:
      "if owner ~= ARGV[1] then if tonumber(ARGV[5]) > 0 then redis.call('HSET', KEYS[2], unpack(ARGV, 15, 14 + ARGV[5])) end return 'fenced' end",
    suites,
  },
  {
    id: 'script-fails-half-way',
    failure: 'half a commit: a key of another type is met after the first write',
    file: SCRIPTS,
    find: "for hash = 2, 6 do redis.call('HLEN', KEYS[hash]) end",
    replace: '',
    suites,
  },
  {
    id: 'script-without-record',
    failure: 'state before position (script): the number is written, the record is not',
    file: SCRIPTS,
    find: "redis.call('HSET', KEYS[1], 'number', ARGV[3], 'record', ARGV[4])",
    replace: "redis.call('HSET', KEYS[1], 'number', ARGV[3])",
    suites,
  },
  {
    id: 'script-without-number',
    failure: 'skip checkpoint number (script): the record is written, its number is not',
    file: SCRIPTS,
    find: "redis.call('HSET', KEYS[1], 'number', ARGV[3], 'record', ARGV[4])",
    replace: "redis.call('HSET', KEYS[1], 'record', ARGV[4])",
    suites,
  },
  ...[forgets('state', 2), forgets('dedupe', 3), forgets('parked', 4), forgets('outbox', 5), forgets('dead', 6)],
  {
    id: 'script-removes-nothing',
    failure: 'half a commit: the script leaves what is to be removed',
    file: SCRIPTS,
    find: REMOVE,
    replace: 'at = at + ARGV[2 * hash + 2]',
    suites,
  },
  {
    id: 'script-in-one-piece',
    failure: 'a large commit never goes through: more values than a Lua call takes',
    file: SCRIPTS,
    find: 'math.min(from + 1999, past - 1)',
    replace: 'past - 1',
    suites,
  },
  {
    id: 'script-claim-skips-owner',
    failure: 'skip nonce (script): a claim does not look whose record it has read',
    file: SCRIPTS,
    find: CLAIMED,
    replace: "if (owner and 1) ~= (ARGV[3] and 1) or number ~= ARGV[4] then return 'fenced' end",
    suites,
  },
  {
    id: 'script-claim-skips-number',
    failure: 'skip checkpoint number (script): a claim does not look which record it has read',
    file: SCRIPTS,
    find: CLAIMED,
    replace: "if owner ~= ARGV[3] then return 'fenced' end",
    suites,
  },
  {
    id: 'script-claim-never-already',
    failure: 'resend naively (script): a claim whose reply was lost is refused when it comes again',
    file: SCRIPTS,
    find: "if owner == ARGV[1] then return 'already' end",
    replace: '',
    suites,
  },
  {
    id: 'script-claim-keeps-remains',
    failure: 'apply twice: the states of a lost record stay under the first record of another',
    file: SCRIPTS,
    find: "redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])",
    replace: '',
    suites,
  },
];
