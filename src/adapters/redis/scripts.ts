/**
 * The two writes of the store, as Lua. Durable behaviour: whatever version runs, the same record must get the same
 * verdict from it.
 *
 * Invariants of both
 * - Owner and number are compared as text and for equality only: a Lua number is a double, which loses 2^53.
 * - Everything that can fail does so before the first change: a script that stops half-way keeps what it wrote.
 *   After a first write Redis refuses no later one of the same script for memory, disk or role, so what remains is a
 *   key of another type and a command that the user may not run.
 * - Lists are handed to a command in pieces, because `unpack` fails near 8,000 values.
 */

/** Beside the verdicts a script answers an error that starts with this word, for a record that is not one. */
const CORRUPT = 'CORRUPT the record has no owner, number or text';

/** Reads the guard of KEYS[1]: owner and number, nothing if there is no record, or false if it is damaged. */
const GUARD = `
local function guard()
  local meta = redis.call('HMGET', KEYS[1], 'owner', 'number', 'record')
  local owner, number = meta[1], meta[2]
  if owner and meta[3] and number and (number == '0' or string.find(number, '^[1-9]%d*$')) then
    return owner, number
  end
  if redis.call('EXISTS', KEYS[1]) == 1 then return false end
end
local owner, number = guard()
if owner == false then return redis.error_reply('${CORRUPT}') end
`;

/**
 * Takes a partition over.
 *
 * KEYS 1 meta, 2 state, 3 dedupe, 4 parked, 5 outbox, 6 dead (not touched)
 * ARGV 1 owner, 2 record, and if a record was seen: 3 its owner, 4 its number
 *
 * Answers
 * - `already`: this owner holds the partition; nothing is written
 * - `accept`: the record is as it was seen; owner and record are written, the number stays
 * - `fenced`: it is not; nothing is written
 * - error CORRUPT
 *
 * A first record has number 0 and stands for an empty partition: what a lost one left behind is removed with the
 * same step, or the events would be applied on top of their own results. Dead letters stay, they may be the last copy.
 */
export const CLAIM_SCRIPT = `${GUARD}
if owner == ARGV[1] then return 'already' end
if owner ~= ARGV[3] or number ~= ARGV[4] then return 'fenced' end
if owner then
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'record', ARGV[2])
else
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'number', '0', 'record', ARGV[2])
end
return 'accept'
`;

/** Number of keys that either script takes. */
export const SCRIPT_KEYS = 6;

/**
 * Writes one checkpoint, all of it or nothing.
 *
 * KEYS 1 meta, 2 state, 3 dedupe, 4 parked, 5 outbox, 6 dead
 * ARGV 1 owner, 2 number that must be stored, 3 number to write, 4 record,
 *      5 to 14 for each of KEYS 2 to 6: how many values there are to set (field and value each count), how many
 *      fields to remove,
 *      then those values and fields, in the same order
 *
 * Answers
 * - `already`: this owner has written this number; nothing is written
 * - `accept`: owner and number were as demanded; everything is written
 * - `fenced`: they were not, or there is no record; nothing is written
 * - error CORRUPT; error WRONGTYPE if one of the keys is not a hash
 */
export const COMMIT_SCRIPT = `${GUARD}
if owner ~= ARGV[1] then return 'fenced' end
if number == ARGV[3] then return 'already' end
if number ~= ARGV[2] then return 'fenced' end

-- Meets another type, a full memory or disk, a replica's role and a missing right while nothing has changed yet.
for hash = 2, 6 do redis.call('HLEN', KEYS[hash]) end
redis.call('HSET', KEYS[1], 'owner', owner)
redis.call('HDEL', KEYS[1], '')

local function apply(command, key, from, count)
  local past = from + count
  while from < past do
    local last = math.min(from + 1999, past - 1)
    redis.call(command, key, unpack(ARGV, from, last))
    from = last + 1
  end
  return past
end

local at = 15
for hash = 2, 6 do
  at = apply('HSET', KEYS[hash], at, ARGV[2 * hash + 1])
  at = apply('HDEL', KEYS[hash], at, ARGV[2 * hash + 2])
end
redis.call('HSET', KEYS[1], 'number', ARGV[3], 'record', ARGV[4])
return 'accept'
`;
