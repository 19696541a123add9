/** Who may write, and what one commit holds. */
import type { Mutant } from './mutant.js';

const GUARD = 'core/checkpoint/guard.js';
const CLAIM = 'host/claim.js';
const HOSTED = 'host/hosted-partition.js';
const ACTOR = 'core/actor/actor.js';
const SEND = '() => store.commit(commit));';
const ACCEPT = "return stored.number === number - 1 ? 'accept' : 'fenced';";

export const commitMutants: readonly Mutant[] = [
  {
    id: 'guard-skips-nonce',
    failure: 'skip nonce',
    file: GUARD,
    find: 'if (stored === undefined || stored.owner !== owner)',
    replace: "if (stored === undefined || stored.owner.split(':')[0] !== owner.split(':')[0])",
    suites: ['unit/guard'],
  },
  {
    id: 'guard-skips-number',
    failure: 'skip checkpoint number',
    file: GUARD,
    find: ACCEPT,
    replace: "return 'accept';",
    suites: ['unit/guard'],
  },
  {
    id: 'guard-at-least',
    failure: '>= for ==',
    file: GUARD,
    find: ACCEPT,
    replace: "return number - 1 >= stored.number ? 'accept' : 'fenced';",
    suites: ['unit/guard'],
  },
  {
    id: 'guard-resend-accepted',
    failure: 'resend naively: what was stored already is written again',
    file: GUARD,
    find: "return 'already';\n    return stored.number",
    replace: "return 'accept';\n    return stored.number",
    suites: ['unit/guard'],
  },
  {
    id: 'claim-skips-owner',
    failure: 'skip nonce (claim)',
    file: GUARD,
    find: 'return stored.owner === seen.owner && stored.number === seen.number',
    replace: 'return stored.number === seen.number',
    suites: ['unit/guard'],
  },
  {
    id: 'store-skips-guard',
    failure: 'skip nonce and number (reference store)',
    file: 'adapters/memory/memory-checkpoint-store.js',
    find: "if (verdict !== 'accept' || stored === undefined)",
    replace: 'if (stored === undefined)',
    suites: ['mutants/memory-contracts'],
  },
  {
    id: 'takeover-without-fencing',
    failure: 'stop a thread without fencing: the old incarnation may go on writing',
    file: CLAIM,
    find: 'const seen = await store.read(request.partition);',
    replace: `const seen = await store.read(request.partition);
        if (seen !== undefined)
            return { owner: seen.owner, record: readRecord(seen, request), partition: await store.load(request.partition), kind: 'found' };`,
    suites: ['unit/claim'],
  },
  {
    id: 'epoch-overflows',
    failure: 'epoch as overflowing number',
    file: GUARD,
    find: '{owner.epoch}',
    replace: '{owner.epoch | 0}',
    suites: ['unit/guard', 'unit/owner-epoch'],
  },
  {
    id: 'epoch-stands-still',
    failure: 'epoch that does not grow',
    file: 'adapters/memory/memory-coordinator.js',
    find: 'epoch: epoch + 1',
    replace: 'epoch: Math.max(epoch, 1)',
    suites: ['mutants/memory-contracts'],
  },
  {
    id: 'fenced-commit-ignored',
    failure: 'fenced commit ignored',
    file: HOSTED,
    find: "if (verdict === 'fenced')",
    replace: "if (verdict === 'never')",
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'fenced-commit-retried',
    failure: 'retry after a failed guard',
    file: HOSTED,
    find: SEND,
    replace: `async () => {
                const verdict = await store.commit(commit);
                const seen = verdict === 'fenced' ? await store.read(this.partition) : undefined;
                if (seen === undefined)
                    return verdict;
                await store.claim({ partition: this.partition, owner: commit.owner, seen, record: seen.record });
                return store.commit({ ...commit, number: seen.number + 1 });
            });`,
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'fenced-node-claims-anyway',
    failure: 'two nodes of one name: neither gives way',
    file: 'runtime/partition-lifecycle.js',
    find: 'if (holder !== undefined && holder.epoch !== status.epoch) {',
    replace: 'if (false) {',
    suites: [],
  },
  {
    id: 'unknown-outcome-is-success',
    failure: 'ignore unknown outcome',
    file: HOSTED,
    find: SEND,
    replace: "() => store.commit(commit).catch(() => 'accept'));",
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'resend-with-next-number',
    failure: 'resend naively: under the number that the store would take',
    file: HOSTED,
    find: SEND,
    replace: `async () => {
                const stored = await store.read(this.partition);
                return store.commit({ ...commit, number: (stored?.number ?? 0) + 1 });
            });`,
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'newer-format-accepted',
    failure: 'accept a newer format',
    file: 'core/checkpoint/record.js',
    find: 'return READABLE.includes(format);',
    replace: "return typeof format === 'number' && format >= 1;",
    suites: ['unit/record'],
  },
  {
    id: 'state-without-position',
    failure: 'state before position',
    file: ACTOR,
    find: 'record: encodeRecord(this.#record(savedAt)),',
    replace: 'record: encodeRecord({ ...this.#record(savedAt), position: this.#start.position }),',
    suites: ['unit/actor-replay', 'property/actor'],
  },
  {
    id: 'position-before-state',
    failure: 'commit position before state: the state of a cut is in the commit after it',
    file: ACTOR,
    find: '            state,\n            dedupePut',
    replace:
      '            state: [this.late ?? { set: [], remove: [] }, (this.late = state)][0],\n            dedupePut',
    suites: ['unit/actor-replay', 'property/actor'],
  },
  {
    id: 'dead-letter-outside-commit',
    failure: 'dead letter outside the commit: written by the one after it',
    file: ACTOR,
    find: '            dead,\n            parked,',
    replace: '            dead: [this.late ?? { set: [], remove: [] }, (this.late = dead)][0],\n            parked,',
    suites: ['unit/actor-state', 'property/actor'],
  },
  {
    id: 'half-applied-batch',
    failure: 'checkpoint a half-applied batch: its end is told before its events are taken in',
    file: 'host/host.js',
    find: 'const reader = new BatchReader(buffer, length);',
    replace: `const reader = new BatchReader(buffer, length);
        for (const partition of this.#partitions.values())
            partition.routed(anchor, streamTime);`,
    suites: [],
  },
  {
    id: 'refused-state-kept',
    failure: 'checkpoint a half-applied event: a state that was refused stays',
    file: 'core/actor/folding.js',
    find: "problem = freezeState(next, 'state', before);",
    replace: "problem = freezeState(next, 'state', before);\n                this.#state.setState(row, next);",
    suites: ['unit/refused-state', 'property/actor'],
  },
  {
    id: 'state-not-frozen',
    failure: 'checkpoint a half-applied event: a handler changes its input and throws',
    file: 'core/actor/state-value.js',
    find: '    Object.freeze(value);\n',
    replace: '',
    suites: ['unit/state-value'],
  },
  {
    id: 'saving-key-leaves',
    failure: 'a state leaves memory before it is stored, and an older one is loaded',
    file: 'core/actor/keyed-state.js',
    find: 'const isIdle = records.word(row, DIRTY_AT) === 0 && ',
    replace: 'const isIdle = ',
    suites: ['unit/actor-state', 'property/actor'],
  },
  {
    id: 'drain-drops-last-cut',
    failure: 'drain that drops the last batch',
    file: HOSTED,
    find: "while (this.#phase === 'draining') {",
    replace: "while (this.#phase === 'draining' && this.#saving !== undefined) {",
    suites: [],
  },
  {
    id: 'outbox-published-before-commit',
    failure: 'outbox published before commit',
    file: HOSTED,
    find: 'this.#saving = this.#commit(actor, commit, savedAt).finally(() => {',
    replace: `if (commit.outbox.set.length > 0)
            this.#deps.post({ kind: 'outputs', partition: this.partition, outputs: commit.outbox.set });
        this.#saving = this.#commit(actor, commit, savedAt).finally(() => {`,
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'outbox-never-removed',
    failure: 'outbox never removed',
    file: 'core/actor/outbox.js',
    find: 'this.#removing = this.#published;',
    replace: 'this.#removing = [];',
    suites: ['unit/outbox'],
  },
  {
    id: 'outbox-not-recovered',
    failure: 'outputs of a recovered checkpoint are never published',
    file: HOSTED,
    find: 'if (partition.outbox.length > 0)',
    replace: 'if (false)',
    suites: ['unit/hosted-partition'],
  },
];
