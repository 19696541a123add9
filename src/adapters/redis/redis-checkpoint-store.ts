/**
 * Checkpoints in Redis. One partition is six keys under one hash tag; a commit or claim is one script call, a load
 * one transaction of reads.
 *
 * `millrace:{<app>:<partition>}:meta`    hash: owner, number, record
 * `…:state`    hash: key → envelope (JSON)
 * `…:dedupe`   hash: segment number → bytes
 * `…:dead`     hash: stream sequence → dead letter (JSON)
 * `…:outbox`   hash: output id → output (JSON)
 * `…:parked`   hash: stream sequence → parked event (JSON), `key:<key>` → quarantine (JSON)
 *
 * Invariants
 * R1. Nothing is written but by the scripts, which judge as core/checkpoint/guard.ts does.
 * R2. A record that cannot be read is `CORRUPT_CHECKPOINT`, never an absent one.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Commit } from '../../core/checkpoint/commit.js';
import type { CommitVerdict } from '../../core/checkpoint/guard.js';
import { MillraceError } from '../../errors.js';
import type {
  CheckpointStore,
  Claim,
  StateReading,
  StoredPartition,
  StoredRecord,
} from '../../ports/checkpoint-store.js';
import { type Argument, claimArguments, commitArguments, type KeyOf } from './commit-arguments.js';
import { EncodedCommand } from './encoded-command.js';
import { closeRedis } from './redis-connection.js';
import { isScriptUnknown, redisError } from './redis-errors.js';
import { CLAIM_SCRIPT, COMMIT_SCRIPT, SCRIPT_KEYS } from './scripts.js';
import { parseOutbox, parseRecord, parseSegments, sequencesAfter } from './stored-text.js';

interface Script {
  readonly text: string;
  /** What EVALSHA names it by. */
  readonly hash: string;
}

const scriptOf = (text: string): Script => ({ text, hash: createHash('sha1').update(text).digest('hex') });
const claimScript = scriptOf(CLAIM_SCRIPT);
const commitScript = scriptOf(COMMIT_SCRIPT);

/** Fields per HMGET; a larger one would hold up the server's other clients. */
const FIELDS_MAX = 5_000;
/** Fields that one HSCAN looks at, about. */
const SCAN_COUNT = 500;

export interface RedisCheckpointStoreOptions {
  /** Name of the application, part of every key. */
  readonly app: string;
  /** From `connectRedis`; the store ends it with `close`. */
  readonly redis: Redis;
}

/** A `CheckpointStore` in Redis. Every error is a MillraceError; a `transient` one leaves the outcome open. */
export class RedisCheckpointStore implements CheckpointStore {
  readonly #app: string;
  readonly #redis: Redis;

  constructor({ app, redis }: RedisCheckpointStoreOptions) {
    this.#app = app;
    this.#redis = redis;
  }

  async read(partition: number): Promise<StoredRecord | undefined> {
    const key = this.#keys(partition);
    const meta = await this.#ask(`read of partition ${partition}`, () => this.#redis.hgetall(key('meta')));
    return parseRecord(partition, meta);
  }

  async claim(claim: Claim): Promise<CommitVerdict> {
    const args = claimArguments(claim, this.#keys(claim.partition));
    return this.#verdict(`claim of partition ${claim.partition}`, claimScript, args);
  }

  async load(partition: number): Promise<StoredPartition | undefined> {
    const key = this.#keys(partition);
    // Not by script: Lua takes ten times as long over a large dedupe index, and stops the server meanwhile.
    const reads = this.#redis
      .multi()
      .hgetall(key('meta'))
      .hgetallBuffer(key('dedupe'))
      .hgetall(key('parked'))
      .hgetall(key('outbox'))
      .hlen(key('state'));
    const [meta, dedupe, parked, outbox, keys] = await this.#transaction(`load of partition ${partition}`, reads);
    const stored = parseRecord(partition, meta as Record<string, string>);
    if (stored === undefined) return undefined;
    return {
      stored,
      segments: parseSegments(partition, dedupe as Record<string, Buffer>),
      parked: Object.entries(parked as Record<string, string>),
      outbox: parseOutbox(outbox as Record<string, string>),
      empty: keys === 0,
    };
  }

  async loadStates(partition: number, keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#fields(`states of partition ${partition}`, this.#keys(partition)('state'), keys);
  }

  async commit(commit: Commit): Promise<CommitVerdict> {
    const args = commitArguments(commit, this.#keys(commit.partition));
    return this.#verdict(`commit of partition ${commit.partition}`, commitScript, args);
  }

  async readState(partition: number, key: string): Promise<StateReading | undefined> {
    const keys = this.#keys(partition);
    const reads = this.#redis.multi().hgetall(keys('meta')).hget(keys('state'), key);
    const [meta, state] = await this.#transaction(`state of a key of partition ${partition}`, reads);
    const stored = parseRecord(partition, meta as Record<string, string>);
    return stored === undefined ? undefined : { stored, state: (state as string | null) ?? undefined };
  }

  /** Every key that is there from the first page to the last comes at least once. */
  async *stateKeys(partition: number): AsyncGenerator<readonly string[], void> {
    const key = this.#keys(partition)('state');
    for (let cursor = '0', isLast = false; !isLast; isLast = cursor === '0') {
      const page = (): Promise<[string, string[]]> => this.#redis.hscan(key, cursor, 'COUNT', SCAN_COUNT);
      const [next, pairs] = await this.#ask(`keys of partition ${partition}`, page);
      yield pairs.filter((_, i) => i % 2 === 0);
      cursor = next;
    }
  }

  async deadLetters(partition: number, after: number, limit: number): Promise<string[]> {
    const key = this.#keys(partition)('dead');
    const what = `dead letters of partition ${partition}`;
    const due = sequencesAfter(partition, await this.#ask(what, () => this.#redis.hkeys(key)), after);
    const texts: string[] = [];
    // One that was removed meanwhile must not shorten the answer: a short one means that there are no more.
    for (let at = 0; at < due.length && texts.length < limit; ) {
      const some = due.slice(at, at + limit - texts.length);
      at += some.length;
      for (const text of await this.#fields(what, key, some)) if (text !== undefined) texts.push(text);
    }
    return texts;
  }

  /** Ends the connection, after the answers of what is under way. */
  close(): Promise<void> {
    return closeRedis(this.#redis);
  }

  #keys(partition: number): KeyOf {
    const prefix = `millrace:{${this.#app}:${partition}}:`;
    return (name) => prefix + name;
  }

  async #verdict(what: string, script: Script, args: readonly Argument[]): Promise<CommitVerdict> {
    const answer = await this.#ask(what, () => this.#run(script, args));
    if (answer === 'accept' || answer === 'already' || answer === 'fenced') return answer;
    throw new MillraceError('BUG', `${what}: the script answered ${String(answer)}`);
  }

  /** By its hash, which spares its text; a server that does not know it, as after a failover, gets the text at once. */
  async #run({ text, hash }: Script, args: readonly Argument[]): Promise<unknown> {
    const keys = String(SCRIPT_KEYS);
    try {
      return await this.#redis.sendCommand(new EncodedCommand('evalsha', [hash, keys, ...args]));
    } catch (error) {
      if (!isScriptUnknown(error)) throw error;
      return this.#redis.sendCommand(new EncodedCommand('eval', [text, keys, ...args]));
    }
  }

  async #fields(what: string, key: string, fields: readonly string[]): Promise<(string | undefined)[]> {
    const values: (string | undefined)[] = [];
    for (let from = 0; from < fields.length; from += FIELDS_MAX) {
      const some = fields.slice(from, from + FIELDS_MAX);
      const texts = await this.#ask(what, () => this.#redis.hmget(key, ...some));
      for (const text of texts) values.push(text ?? undefined);
    }
    return values;
  }

  async #transaction(what: string, reads: ReturnType<Redis['multi']>): Promise<unknown[]> {
    const results = await this.#ask(what, () => reads.exec());
    // No server says so without a WATCH. Taken for an answer it would say that nothing is stored.
    if (results === null) throw redisError(this.#redis, what, new Error('the transaction was discarded'));
    return results.map(([error, value]) => {
      if (error !== null) throw redisError(this.#redis, what, error);
      return value;
    });
  }

  async #ask<T>(what: string, command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw redisError(this.#redis, what, error);
    }
  }
}
