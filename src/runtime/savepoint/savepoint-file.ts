/** Savepoints as files: written whole or not at all, and believed only when nothing of them is missing. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { PartitionRecord } from '../../core/checkpoint/record.js';
import { decodeRecord } from '../../core/checkpoint/record.js';
import type { SavepointHead, SavepointLine } from '../../core/savepoint/savepoint-line.js';
import { readLine, writeLine } from '../../core/savepoint/savepoint-line.js';
import { MillraceError, messageOf } from '../../errors.js';

export interface SavepointSink {
  write(lines: readonly SavepointLine[]): Promise<void>;
  /** Everything is written: only now is there a file of this name. */
  end(): Promise<void>;
  /** Gives it up and leaves nothing behind; nothing after `end`. */
  abandon(): Promise<void>;
}

/** A new savepoint at `path`. Throws OPTIONS_INVALID if it cannot be written. */
export async function openSavepointSink(path: string): Promise<SavepointSink> {
  const part = `${path}.part`;
  const hash = createHash('sha256');
  let count = 0;
  let file: FileHandle | undefined;
  try {
    file = await open(part, 'w', 0o600);
  } catch (cause) {
    throw new MillraceError('OPTIONS_INVALID', `${part} cannot be written: ${messageOf(cause)}`, { cause });
  }
  const put = async (lines: readonly SavepointLine[]): Promise<void> => {
    const text = lines.map((line) => `${writeLine(line)}\n`).join('');
    hash.update(text);
    count += lines.length;
    await file?.appendFile(text);
  };
  return {
    write: put,
    async end() {
      await put([{ kind: 'end', lines: count, digest: hash.copy().digest('hex') }]);
      await file?.sync();
      await file?.close();
      file = undefined;
      await rename(part, path);
    },
    async abandon() {
      if (file === undefined) return;
      await file.close();
      file = undefined;
      await rm(part, { force: true });
    },
  };
}

/** Where the lines of a savepoint come from; read from the start each time. */
export interface SavepointSource {
  readonly head: SavepointHead;
  /** Partitions and entries, in the order of the file. Throws SAVEPOINT_INVALID. */
  lines(): AsyncIterable<Exclude<SavepointLine, { kind: 'head' | 'end' }>>;
}

/** Opens a savepoint and checks all of it. Throws OPTIONS_INVALID if there is no file, and SAVEPOINT_INVALID. */
export async function openSavepoint(path: string): Promise<SavepointSource> {
  let head: SavepointHead | undefined;
  let isWhole = false;
  for await (const line of checkedLines(path)) {
    if (line.kind === 'head') head = line.head;
    isWhole = line.kind === 'end';
  }
  if (head === undefined || !isWhole) throw new MillraceError('SAVEPOINT_INVALID', `${path} ends early`);
  return {
    head,
    async *lines() {
      for await (const line of checkedLines(path)) if (line.kind !== 'head' && line.kind !== 'end') yield line;
    },
  };
}

/** The record of each partition. Throws SAVEPOINT_INVALID. */
export async function recordsOf(source: SavepointSource): Promise<Map<number, PartitionRecord>> {
  const records = new Map<number, PartitionRecord>();
  for await (const line of source.lines()) {
    if (line.kind !== 'partition') continue;
    const decoded = decodeRecord(line.record);
    if (decoded.kind !== 'record')
      throw new MillraceError('SAVEPOINT_INVALID', `the record of partition ${line.partition} cannot be read`);
    records.set(line.partition, decoded.record);
  }
  return records;
}

async function* checkedLines(path: string): AsyncGenerator<SavepointLine> {
  const hash = createHash('sha256');
  let number = 0;
  let ended = false;
  const input = createReadStream(path, { encoding: 'utf8' });
  const wrong = (problem: string): MillraceError =>
    new MillraceError('SAVEPOINT_INVALID', `${path}, line ${number}: ${problem}`);
  const opened = new Promise<void>((resolve, reject) => input.once('open', () => resolve()).once('error', reject));
  await opened.catch((cause: unknown) => {
    throw new MillraceError('OPTIONS_INVALID', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  });
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (ended) throw wrong('comes after the end');
    const line = readLine(text);
    if (typeof line === 'string') throw wrong(line);
    if ((number === 1) !== (line.kind === 'head')) throw wrong('the first line, and no other, says what the file is');
    if (line.kind === 'end') {
      ended = true;
      if (line.lines !== number - 1) throw wrong(`${line.lines} lines were written, there are ${number - 1}`);
      if (line.digest !== hash.digest('hex')) throw wrong('what stands here is not what was written');
    } else hash.update(`${text}\n`);
    yield line;
  }
}
