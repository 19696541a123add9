/** Between the log and the hosts: what is read, routed, started and reported. */
import type { Mutant } from './mutant.js';

const ROUTER = 'runtime/router.js';

export const streamMutants: readonly Mutant[] = [
  {
    id: 'anchor-not-checked',
    failure: 'drop the anchor check',
    file: 'runtime/claiming.js',
    find: 'checkAnchor(position.floor, anchor, info, time)',
    replace: "{ kind: 'intact' }",
    suites: [],
  },
  {
    id: 'anchor-time-not-compared',
    failure: 'drop the anchor check: a sequence that was used again passes',
    file: 'core/position/anchor-check.js',
    find: 'if (timeAtAnchor !== anchor.time) {',
    replace: 'if (false) {',
    suites: ['unit/anchor-check'],
  },
  {
    id: 'start-trusted',
    failure: 'trust opt_start_seq: what was removed before the floor is not noticed',
    file: 'core/position/anchor-check.js',
    find: 'if (stream.first > floor + 1)',
    replace: 'if (false)',
    suites: ['unit/anchor-check'],
  },
  {
    id: 'gap-read-over',
    failure: 'log a gap and go on',
    file: ROUTER,
    find: 'this.#deps.events.hole(first, last, partitions);',
    replace: 'void 0;',
    suites: ['unit/router'],
  },
  {
    id: 'gap-accepted-unasked',
    failure: 'log a gap and go on: at the start',
    file: 'runtime/claiming.js',
    find: 'throw errorOf(gapFault(chain, verdict.first, verdict.last));',
    replace: 'return { position: skipTo(position, verdict.last), anchor, gap: [] };',
    suites: [],
  },
  {
    id: 'regression-healed',
    failure: 'heal a rollback by moving the position',
    file: 'runtime/claiming.js',
    find: "            case 'regression': {\n                if (!acceptGap)",
    replace: "            case 'regression': {\n                if (false)",
    suites: [],
  },
  {
    id: 'lost-checkpoint-starts-now',
    failure: 'a lost checkpoint starts from what the stream still has',
    file: 'host/claim.js',
    find: 'if (origin !== undefined && origin !== first && !request.acceptGap)',
    replace: 'if (false)',
    suites: [],
  },
  {
    id: 'idle-rollback-unnoticed',
    failure: 'a store that went back is not noticed by a quiet partition',
    file: 'host/hosted-partition.js',
    find: 'if (found.stored?.owner === this.#claimed.owner && found.stored.number === number)',
    replace: 'if (found.stored !== undefined)',
    suites: ['unit/hosted-partition'],
  },
  {
    id: 'run-during-reading',
    failure: 'a partition starts while a batch of the old reading is under way',
    file: ROUTER,
    find: 'this.#starting.push(start);',
    replace: 'this.#starting.push(start);\n        this.#startPartitions();',
    suites: ['unit/router'],
  },
  {
    id: 'old-reading-heard',
    failure: 'release twice: events of a reading that was stopped are routed',
    file: ROUTER,
    find: 'if (isCurrent())',
    replace: 'if (true)',
    suites: ['unit/router'],
  },
  {
    id: 'tail-lost-between-readings',
    failure: 'drop the anchor check: a new reading of a running partition is taken for the old one',
    file: ROUTER,
    find: 'if (sequence >= this.#landmarks.first &&',
    replace: 'if (false &&',
    suites: ['unit/router'],
  },
  {
    id: 'hosts-not-told-before-rewind',
    failure: 'a lost tail without a word: a checkpoint names an older event than was read, or one that took its number',
    file: 'runtime/lanes.js',
    find: 'isBehind ? markDue || force :',
    replace: 'isBehind ? markDue :',
    suites: ['unit/router'],
  },
  {
    id: 'routed-twice',
    failure: 'release twice: a partition gets again what it was given before the rewind',
    file: 'runtime/routed-partitions.js',
    find: 'if (lane === undefined || sequence <= this.#high[partition])',
    replace: 'if (lane === undefined)',
    suites: ['unit/router'],
  },
  {
    id: 'run-overtakes-batches',
    failure: 'a host takes batches in that were sent before `run`',
    file: 'host/host.js',
    find: "            case 'batch':\n            case 'mark':\n            case 'run':\n            case 'gap':\n            case 'release':\n                if",
    replace: `            case 'run':
                this.#inOrder(message);
                return;
            case 'batch':
            case 'mark':
            case 'gap':
            case 'release':
                if`,
    suites: [],
  },
  {
    id: 'credit-leaked',
    failure: 'leak credit',
    file: 'runtime/lane.js',
    find: 'this.#bytesUnderWay -= length;',
    replace: '',
    suites: ['unit/router'],
  },
  {
    id: 'no-backpressure',
    failure: 'leak credit: the log is never asked to wait',
    file: ROUTER,
    find: 'this.#reading?.pause();',
    replace: '',
    suites: ['unit/router'],
  },
  {
    id: 'thread-error-swallowed',
    failure: "swallow a thread's error",
    file: 'runtime/supervisor.js',
    find: 'this.#events.lost(slot, error);',
    replace: '',
    suites: ['unit/supervisor'],
  },
  {
    id: 'crash-loop-for-ever',
    failure: "swallow a thread's error: a crash loop goes on",
    file: 'runtime/supervisor.js',
    find: 'if (this.#crashes.length > CRASHES_MAX) {',
    replace: 'if (false) {',
    suites: ['unit/supervisor'],
  },
  {
    id: 'durable-read-too-early',
    failure: 'durable read too early',
    file: 'runtime/state-reader.js',
    find: 'return isDecided(record.position, position);',
    replace: 'return true;',
    suites: ['unit/state-reader'],
  },
  {
    id: 'left-stream-trusted',
    failure: 'a stream that took events after its partitions left it is read on',
    file: 'runtime/chained-log.js',
    find: 'if (info.last === noted)',
    replace: 'if (true)',
    suites: ['unit/chained-log'],
  },
  {
    id: 'next-stream-too-early',
    failure: 'a partition goes on in its next stream before the one before it is read to its end',
    file: 'runtime/chained-log.js',
    find: 'if (base + sequence >= end)',
    replace: 'if (base + sequence >= end - 1)',
    suites: ['unit/chained-log'],
  },
  {
    id: 'other-streams-accepted',
    failure: 'a record of other streams is taken over, its numbers with it',
    file: 'host/claim.js',
    find: 'if (!continues(request.chain, record.chain))',
    replace: 'if (false)',
    suites: ['unit/claim'],
  },
  {
    id: 'batch-reversed',
    failure: 'reorder inside a batch: the host takes it from its end',
    file: 'host/host.js',
    find: 'while (reader.next()) {',
    replace: `const ends = [];
        while (reader.next())
            ends.push({ ...reader });
        for (const record of ends.reverse()) {
            Object.assign(reader, record);`,
    suites: [],
  },
  {
    id: 'never-ran-counts-as-decided',
    failure: 'lose events in a restore under another partition count: those of a partition that never ran',
    file: 'core/savepoint/repartition.js',
    find: 'partition, first, gaps',
    replace: 'partition, first: 1e9, gaps',
    suites: ['property/repartition'],
  },
  {
    id: 'restored-ahead-of-a-source',
    failure: 'reorder after a restore under another partition count: the watermark is that of the fastest source',
    file: 'core/savepoint/repartition.js',
    find: 'Math.min(...sources.map((source) => source.watermark))',
    replace: 'Math.max(...sources.map((source) => source.watermark))',
    suites: ['property/repartition'],
  },
];
