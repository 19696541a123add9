/** What really is in the store, read by plain means, and how it differs from what the oracle expects. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Expected, ExpectedPartition } from './oracle.js';
import type { Stored, StoreView } from './store-view.js';
import { viewOf } from './store-view.js';
import { until } from './until.js';

/** The record of a partition as an operator reads it. */
export interface StoredRecord {
  readonly number: number;
  readonly floor: number;
  readonly above: string;
  /** Stream sequence of the last event that was routed when it was stored. */
  readonly anchor: number;
  readonly events: number;
  readonly applied: number;
  readonly counters: Counters;
  readonly deadStored: number;
  readonly gaps: readonly number[];
}

interface Counters {
  readonly applied: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly late: number;
  readonly clamped: number;
  readonly dead: Readonly<Record<string, number>>;
}

/** Reading all records costs what the node under test needs more. */
const ASK_AGAIN_MS = 20;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

/** Whether the record says that an event of its partition is decided. */
export function isDecided({ floor, above }: StoredRecord, sequence: number): boolean {
  if (sequence <= floor) return true;
  return above.split(',').some((range) => {
    const [start, count] = range.split('+').map(Number);
    return range !== '' && sequence >= floor + start! && sequence < floor + start! + count!;
  });
}

/** Records of all partitions; undefined where none is stored. */
export async function readRecords(db: Stored, app: string, partitions = 64): Promise<(StoredRecord | undefined)[]> {
  const found = await viewOf(db).records(app, partitions);
  return found.map((stored) => {
    if (stored === undefined) return undefined;
    const { number, text } = stored;
    const record = JSON.parse(text) as StoredRecord & {
      floor: string;
      counters: Counters;
      anchor: { sequence: string };
    };
    const { counters, above, deadStored, gaps } = record;
    const events = counters.applied + counters.duplicates + sum(Object.values(counters.dead));
    const { applied } = counters;
    const [floor, anchor] = [Number(record.floor), Number(record.anchor.sequence)];
    return { number, floor, above, anchor, events, applied, counters, deadStored, gaps };
  });
}

/** How many events are decided, as far as Redis says. */
export async function decidedEvents(db: Stored, app: string, partitions = 64): Promise<number> {
  const records = await readRecords(db, app, partitions).catch(() => []);
  return sum(records.map((record) => record?.events ?? 0));
}

export async function untilDecided(
  db: Stored,
  app: string,
  events: number,
  deadlineMs = 60_000,
  partitions = 64,
): Promise<void> {
  let seen = 0;
  await until(
    async () => {
      seen = await decidedEvents(db, app, partitions);
      if (seen < events) await delay(ASK_AGAIN_MS);
      return seen >= events;
    },
    deadlineMs,
    () => `${events} decided events of ${app}; there are ${seen}`,
  );
}

const DIFFERENCES_MAX = 12;

/** Compares everything that is stored for `app`. Throws with the first differences. */
export async function expectStored(db: Stored, app: string, wanted: Expected): Promise<void> {
  const differences: string[] = [];
  const note = (difference: string): void => {
    differences.push(difference);
  };
  const count = wanted.partitions.length;
  const view = viewOf(db);
  for (const { partition: p, part } of await view.held(app))
    if (!mayHold(part, wanted.partitions[p])) note(`partition ${p}: ${part} should not be there`);
  const records = await readRecords(view, app, count);
  for (let p = 0; p < count; p++) {
    const partition = wanted.partitions[p]!;
    compareRecord(p, records[p], partition, note);
    await compareStates(view, app, p, partition, note);
    await compareDead(view, app, p, partition, note);
    await compareIds(view, app, p, partition, note);
  }
  if (differences.length === 0) return;
  const shown = differences.slice(0, DIFFERENCES_MAX).join('\n');
  throw new Error(`${view.name} differs from the oracle in ${differences.length} places:\n${shown}`);
}

type Note = (difference: string) => void;

/** Nothing is stored that the oracle does not expect. */
function mayHold(part: string, wanted: ExpectedPartition | undefined): boolean {
  if (wanted === undefined) return false;
  if (part === 'state') return wanted.states.size > 0;
  if (part === 'dedupe') return wanted.ids > 0;
  if (part === 'dead') return wanted.dead.size > 0;
  return part === 'meta';
}

function compareRecord(p: number, record: StoredRecord | undefined, wanted: ExpectedPartition, note: Note): void {
  if (record === undefined) {
    note(`partition ${p} has no record`);
    return;
  }
  const { counters } = record;
  const compare = (what: string, is: unknown, should: unknown): void => {
    if (!isDeepStrictEqual(is, should))
      note(`partition ${p}: ${what} is ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
  };
  const dead: Record<string, number> = {};
  for (const { code } of wanted.dead.values()) dead[code] = (dead[code] ?? 0) + 1;
  compare('applied', counters.applied, wanted.applied);
  compare('duplicates', counters.duplicates, wanted.duplicates);
  compare('conflicts', counters.conflicts, wanted.conflicts);
  compare('late', counters.late, dead.EVENT_LATE ?? 0);
  compare('clamped', counters.clamped, 0);
  compare('dead', counters.dead, dead);
  compare('dead letters stored', record.deadStored, wanted.dead.size);
  compare('events', record.events, wanted.events);
  compare('positions above the floor', record.above, '');
  if (record.floor < wanted.lastSequence)
    note(`partition ${p}: floor ${record.floor} is below its last event ${wanted.lastSequence}`);
}

async function compareStates(
  view: StoreView,
  app: string,
  p: number,
  wanted: ExpectedPartition,
  note: Note,
): Promise<void> {
  const name = `partition ${p}: state of`;
  const stored = await view.texts(app, p, 'state');
  for (const [key, state] of wanted.states) {
    const text = stored.get(key);
    stored.delete(key);
    if (text === undefined) note(`${name} has no ${JSON.stringify(key)}, it should be ${JSON.stringify(state)}`);
    else if (!isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(state))))
      note(`${name} ${JSON.stringify(key)} is ${text}, it should be ${JSON.stringify(state)}`);
  }
  for (const [key, text] of stored) note(`${name} ${JSON.stringify(key)} should not be there: ${text}`);
}

async function compareDead(
  view: StoreView,
  app: string,
  p: number,
  wanted: ExpectedPartition,
  note: Note,
): Promise<void> {
  const name = `partition ${p}: dead letter`;
  const stored = await view.texts(app, p, 'dead');
  for (const [sequence, { code, key, id, message }] of wanted.dead) {
    const text = stored.get(String(sequence));
    stored.delete(String(sequence));
    if (text === undefined) {
      note(`${name} has no ${sequence}, it should be ${code}`);
      continue;
    }
    const letter = JSON.parse(text) as {
      body: string;
      encoding: BufferEncoding;
      problems: string[];
      streamTime: number;
    };
    const should = { sequence, code, key, id, subject: message.subject };
    const is = Object.fromEntries(Object.entries(letter).filter(([field]) => field in should));
    if (!isDeepStrictEqual(is, should)) note(`${name} ${sequence} is ${text}, it should be ${JSON.stringify(should)}`);
    if (!Buffer.from(letter.body, letter.encoding).equals(message.body))
      note(`${name} ${sequence} has another body: ${text}`);
    if (letter.problems.length === 0) note(`${name} ${sequence} names no problem`);
    if (Math.floor(letter.streamTime) !== message.timeMs) note(`${name} ${sequence} has another stream time: ${text}`);
  }
  for (const [sequence, text] of stored) note(`${name} ${sequence} should not be there: ${text}`);
}

/** As many ids in the index as were decided; a segment counts its ids at offset 4. */
async function compareIds(
  view: StoreView,
  app: string,
  p: number,
  wanted: ExpectedPartition,
  note: Note,
): Promise<void> {
  const segments = await view.segments(app, p);
  const ids = sum(segments.map((segment) => segment.readUInt32LE(4)));
  if (ids !== wanted.ids) note(`partition ${p}: the index holds ${ids} ids, not ${wanted.ids}`);
}

/** Watches every record while a test goes on: positions and checkpoint numbers never go back. */
export class RecordWatch {
  readonly #newest: (StoredRecord | undefined)[] = [];
  #stopped = false;
  #checkpoints = 0;
  readonly #done: Promise<void>;

  constructor(db: Stored, app: string, deadlineMs = 600_000) {
    this.#done = until(
      async () => {
        const records = await readRecords(db, app);
        for (const [p, record] of records.entries()) this.#check(p, record);
        await delay(ASK_AGAIN_MS);
        return this.#stopped;
      },
      deadlineMs,
      'the end of the test',
    );
    this.#done.catch(() => undefined);
  }

  /** Ends the watch; throws if anything went back. Answers how many changes were seen. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.#checkpoints;
  }

  #check(p: number, record: StoredRecord | undefined): void {
    const before = this.#newest[p];
    this.#newest[p] = record ?? before;
    if (before === undefined) return;
    if (record === undefined) throw new Error(`partition ${p} lost its record`);
    if (record.number < before.number)
      throw new Error(`partition ${p}: checkpoint ${record.number} after ${before.number}`);
    if (record.floor < before.floor) throw new Error(`partition ${p}: floor ${record.floor} after ${before.floor}`);
    if (record.events < before.events)
      throw new Error(`partition ${p}: ${record.events} events after ${before.events}`);
    if (record.number > before.number) this.#checkpoints++;
  }
}
