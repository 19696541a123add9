/** Entries of a KV bucket, changed by compare-and-set until it succeeds or a deadline passes. */
import { setTimeout as pause } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection, QueuedIterator } from '@nats-io/nats-core';
import { MillraceError, messageOf } from '../../errors.js';
import { isStreamMissing } from './nats-errors.js';

/** One request; shorter than any deadline, because a request that got lost is not answered by waiting longer. */
const REQUEST_MS = 1_000;
const PAUSE_MS_FIRST = 10;
const PAUSE_MS_MAX = 250;

/** The entries of one bucket. */
export class KvEntries {
  readonly bucket: string;
  readonly #nc: NatsConnection;
  readonly #deadlineMs: number;
  #kv: KV | undefined;

  constructor(nc: NatsConnection, bucket: string, deadlineMs: number) {
    this.#nc = nc;
    this.bucket = bucket;
    this.#deadlineMs = deadlineMs;
  }

  /** Text of an entry, undefined if it is absent or deleted. Throws as `change` does. */
  read(key: string): Promise<string | undefined> {
    return this.#untilDone(key, async (kv) => {
      const entry = await kv.get(key);
      return { done: entry?.operation === 'PUT' ? entry.string() : undefined };
    });
  }

  /**
   * Changes one entry; `next` gets its text, undefined if it is absent or deleted, and its revision, 0 if it never
   * was. It may be called several times, and what it returns last is what is stored; the same text writes nothing, and
   * neither does undefined.
   * @throws MillraceError `STREAM_MISSING` without the bucket, `NATS_UNREACHABLE` after the deadline.
   */
  change<T extends string | undefined>(
    key: string,
    next: (text: string | undefined, revision: number) => T,
  ): Promise<T> {
    return this.#untilDone(key, async (kv, timeout) => {
      const entry = await kv.get(key);
      const previousSeq = entry?.revision ?? 0;
      const stored = entry?.operation === 'PUT' ? entry.string() : undefined;
      const text = next(stored, previousSeq);
      // Revision 0 asks for an entry that never was; the library's `create` would overwrite a deletion unasked.
      if (text !== undefined && text !== stored) await kv.put(key, text, { previousSeq, timeout });
      return { done: text };
    });
  }

  /** Removes an entry if `isMeant` says so of what is stored. Throws as `change` does. */
  remove(key: string, isMeant: (text: string, revision: number) => boolean): Promise<void> {
    return this.#untilDone(key, async (kv) => {
      const entry = await kv.get(key);
      if (entry?.operation === 'PUT' && isMeant(entry.string(), entry.revision))
        await kv.delete(key, { previousSeq: entry.revision });
      return { done: undefined };
    });
  }

  /** Text and revision of an entry that is there. Throws as `change` does. */
  find(key: string): Promise<{ readonly text: string; readonly revision: number } | undefined> {
    return this.#untilDone(key, async (kv) => {
      const entry = await kv.get(key);
      return { done: entry?.operation === 'PUT' ? { text: entry.string(), revision: entry.revision } : undefined };
    });
  }

  /** Everything that is stored, then every change, until the iterator is stopped. Throws as `change` does. */
  watch(): Promise<QueuedIterator<KvWatchEntry>> {
    return this.#untilDone('everything', async (kv) => ({ done: await kv.watch() }));
  }

  async #untilDone<T>(key: string, attempt: (kv: KV, timeout: number) => Promise<{ done: T }>): Promise<T> {
    const deadline = performance.now() + this.#deadlineMs;
    for (let pauseMs = PAUSE_MS_FIRST; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      try {
        this.#kv ??= await this.#open();
        return (await attempt(this.#kv, Math.min(REQUEST_MS, this.#deadlineMs))).done;
      } catch (error) {
        if (error instanceof MillraceError) throw error;
        if (isStreamMissing(error)) throw this.#missing();
        const left = deadline - performance.now();
        if (left <= 0 || this.#nc.isClosed()) throw this.#unreachable(key, error);
        // Uneven pauses, so that two nodes that changed the same entry do not meet again and again.
        await pause(Math.min(pauseMs * (0.5 + Math.random() / 2), left));
      }
    }
  }

  /** Asks the server nothing, needs no right to do so. Readings go to the leader, for no other has the newest. */
  #open(): Promise<KV> {
    const js = jetstream(this.#nc, { timeout: Math.min(REQUEST_MS, this.#deadlineMs) });
    return new Kvm(js).open(this.bucket, { allow_direct: false });
  }

  #missing(): MillraceError {
    return new MillraceError('STREAM_MISSING', `there is no KV bucket ${this.bucket}`);
  }

  #unreachable(key: string, problem: unknown): MillraceError {
    const message = `${key} in KV bucket ${this.bucket}: ${messageOf(problem)}`;
    return new MillraceError('NATS_UNREACHABLE', message, { cause: problem });
  }
}
