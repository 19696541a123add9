/** Keys, ids, and what counts as decided. */
import type { Mutant } from './mutant.js';

const DECISIONS = 'core/actor/decisions.js';
const INDEX = 'core/dedupe/dedupe-index.js';
const WINDOW = 'core/position/position-window.js';

export const identityMutants: readonly Mutant[] = [
  {
    id: 'dedupe-not-checkpointed',
    failure: 'dedupe not checkpointed',
    file: DECISIONS,
    find: 'return { dedupe, dead: this.#letters.changes() };',
    replace: 'return { dedupe: { put: [], drop: [] }, dead: this.#letters.changes() };',
    suites: ['unit/actor-replay', 'property/actor'],
  },
  {
    id: 'waiting-ids-checkpointed',
    failure: 'ids of buffered events checkpointed',
    file: DECISIONS,
    find: 'return this.#dedupe.insert(time, offered.streamSequence, body);',
    replace: `{
                const seen = this.#dedupe.insert(time, offered.streamSequence, body);
                this.#ids.push(seen);
                return seen;
            }`,
    suites: ['unit/actor-replay', 'property/actor'],
  },
  {
    id: 'dedupe-by-wall-clock',
    failure: 'evict dedupe by wall clock',
    file: INDEX,
    find: 'return this.#timeOf(entry) <= this.#maxTime - this.#horizonMs',
    replace: 'return this.#timeOf(entry) <= Date.now() - this.#horizonMs',
    suites: ['property/dedupe-index'],
  },
  {
    id: 'dedupe-never-expires',
    failure: 'evict dedupe never',
    file: INDEX,
    find: 'return this.#timeOf(entry) <= this.#maxTime - this.#horizonMs',
    replace: 'return false',
    suites: ['property/dedupe-index'],
  },
  {
    id: 'dedupe-loses-behind-hole',
    failure: 'an id is lost when another one leaves whose place it had to pass',
    file: 'core/dedupe/slot-table.js',
    find: 'while (slots[bucket + BUCKET - 1] !== 0) {',
    replace: 'while (false) {',
    suites: ['property/slot-table', 'property/dedupe-index'],
  },
  {
    id: 'apply-before-dedupe',
    failure: 'apply before dedupe',
    file: 'core/actor/actor.js',
    find: 'const seen = this.#decisions.admit(offered, time, slot, this.#state.keyHash(row));',
    replace: 'const seen = this.#decisions.admit(offered, time, slot, this.#state.keyHash(row)) ?? -1;',
    suites: ['unit/actor-order', 'property/actor'],
  },
  {
    id: 'key-not-part-of-id',
    failure: 'ids of different keys taken for one',
    file: 'core/key/hash.js',
    find: 'return fmix(a ^ Math.imul(rotl(b, 15), C2)) >>> 0;',
    replace: 'return fmix(a) >>> 0;',
    suites: ['property/dedupe-index'],
  },
  {
    id: 'ids-trimmed',
    failure: 'compare trimmed ids',
    file: 'core/event/decode.js',
    find: 'const id = nameOf(value);',
    replace: 'const id = nameOf(value)?.trim();',
    suites: ['unit/decode-event', 'unit/decode-formats'],
  },
  {
    id: 'ids-normalised',
    failure: 'normalise ids',
    file: INDEX,
    find: 'murmur128(id, SEED);\n        this.#takePrint(key);',
    replace: "murmur128(id.normalize('NFC'), SEED);\n        this.#takePrint(key);",
    suites: ['property/dedupe-index'],
  },
  {
    id: 'hash-over-utf16',
    failure: 'hash UTF-16 units',
    file: 'core/key/hash.js',
    find: 'const bytes = utf8(text);\n            return',
    replace: 'break;\n            const bytes = utf8(text);\n            return',
    suites: ['unit/hash'],
  },
  {
    id: 'floor-off-by-one',
    failure: 'position off by one',
    file: WINDOW,
    find: '[this.#head & (this.#sequences.length - 1)] - 1;',
    replace: '[this.#head & (this.#sequences.length - 1)];',
    suites: ['property/position-window'],
  },
  {
    id: 'recovered-range-off-by-one',
    failure: 'position off by one: a decided range loses its last event',
    file: WINDOW,
    find: 'if (end > this.#high)',
    replace: 'if (end > this.#high + 1)',
    suites: ['property/position-window'],
  },
  {
    id: 'floor-is-last-read',
    failure: 'commit what was read, not what was decided',
    file: WINDOW,
    find: 'return { floor: this.floor, above };',
    replace: 'return { floor: this.#high, above: [] };',
    suites: ['property/position-window'],
  },
  {
    id: 'decided-event-read-again',
    failure: 'apply twice what was decided above the floor',
    file: 'core/actor/actor.js',
    find: 'if (window.wasDecided(streamSequence)) {',
    replace: 'if (false) {',
    suites: ['unit/actor-replay', 'property/actor'],
  },
  {
    id: 'keys-by-length',
    failure: 'keys of one length taken for one',
    file: 'core/actor/key-records.js',
    find: 'if (bytes[at + TEXT + i] !== unitAt(key, i))',
    replace: 'if (false)',
    suites: ['property/key-index'],
  },
  {
    id: 'key-token-not-injective',
    failure: 'leak a key across partitions: two keys in one token',
    file: 'core/key/key.js',
    find: ' || byte === 0x25 ||',
    replace: ' ||',
    suites: ['unit/key', 'property/text-forms'],
  },
  {
    id: 'partition-of-raw-key',
    failure: 'leak a key across partitions: reader and router hash different text',
    file: 'core/key/partition.js',
    find: 'return fnv1a32(tokenOfKey(key)) % partitions;',
    replace: 'return fnv1a32(key) % partitions;',
    suites: ['unit/key', 'unit/key-route'],
  },
  {
    id: 'route-by-whole-subject',
    failure: 'leak a key across partitions: its other subjects go elsewhere',
    file: 'runtime/key-route.js',
    find: 'return fnv1a32Bytes(subject, from, dot < 0 ? subject.length : dot) % partitions;',
    replace: 'return fnv1a32Bytes(subject, 0, subject.length) % partitions;',
    suites: ['unit/key-route'],
  },
  {
    id: 'parse-before-size',
    failure: 'parse before size check',
    file: 'host/event-decoder.js',
    find: 'if (rejection !== undefined) {',
    replace: `const parsed = decodeEvent(raw, this.#options.format, this.#options.idRequired);
        if (parsed.kind === 'rejected')
            return { raw, decoded: parsed };
        if (rejection !== undefined) {`,
    suites: ['unit/event-decoder'],
  },
  {
    id: 'parse-before-depth',
    failure: 'parse before depth check',
    file: 'core/event/decode.js',
    find: 'if (isTooDeep(raw.body))',
    replace: `let isJson = true;
    try {
        JSON.parse(raw.body);
    }
    catch {
        isJson = false;
    }
    if (isJson && isTooDeep(raw.body))`,
    suites: ['unit/decode-event'],
  },
  {
    id: 'partition-not-checked',
    failure: 'leak a key across partitions: a subject may name any',
    file: 'host/event-decoder.js',
    find: 'if (expected === partition)',
    replace: 'if (true)',
    suites: ['unit/event-decoder'],
  },
  {
    id: 'letter-dealt-with-before-its-event',
    failure: 'apply twice: the letter of a lost checkpoint is dealt with, and its event is read again',
    file: 'host/questions.js',
    find: 'if (!this.#actor.hasDecided(sequence))',
    replace: 'if (false)',
    suites: ['unit/questions'],
  },
  {
    id: 'letter-of-applied-event',
    failure: 'apply twice: a letter is replayed although its event has been applied since',
    file: 'host/questions.js',
    find: 'if (decision !== Decision.applied)',
    replace: 'if (true)',
    suites: ['unit/questions'],
  },
  {
    id: 'row-used-again-as-it-was',
    failure: 'leak a key into another: a record that is used again keeps what was in it',
    file: 'core/actor/key-records.js',
    find: 'bytes.fill(0, at, at + RECORD_BYTES);',
    replace: '',
    suites: ['property/key-index'],
  },
  {
    id: 'stored-id-not-escaped',
    failure: 'a state that cannot be read again: its last id is stored as it came',
    file: 'core/actor/state-envelope.js',
    find: 'unit === 0x22 || ',
    replace: '',
    suites: ['property/state-envelope'],
  },
  {
    id: 'waits-never-forgotten',
    failure: 'memory grows with every key that was ever loaded',
    file: 'core/actor/keyed-state.js',
    find: 'this.#waits.delete(row);',
    replace: '',
    suites: ['unit/keyed-state'],
  },
];
