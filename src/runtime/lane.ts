/**
 * The way from the router to one host: collects events into batches and keeps count of what is not yet taken in.
 *
 * A batch goes when it is full, or at the end of a turn of the event loop while the host is not busy. A busy host
 * gets fewer and larger batches by itself, an idle one gets its events at once.
 */
import type { Anchor } from '../core/checkpoint/record.js';
import type { HostLink } from '../ports/threads.js';
import { BatchWriter } from '../protocol/batch.js';
import type { MainToHost } from '../protocol/messages.js';

/** A batch of this size goes at once, of less where so little may be under way. */
const BATCH_BYTES = 256 * 1024;
/** A batch is at most this part of what may be under way: the bound is looked at with every full batch. */
const BATCHES_UNDER_WAY = 4;
/** So many batches under way keep a host busy. */
const BUSY_BATCHES = 2;
/** Buffers kept for the next batches. */
const SPARE_BUFFERS = 8;

export class Lane {
  readonly #link: HostLink;
  readonly #batchBytes: number;
  readonly #stream: number;
  #writer: BatchWriter | undefined;
  readonly #spare: ArrayBuffer[] = [];
  #underWay = 0;
  #bytesUnderWay = 0;
  #anchor: Anchor = { sequence: 0, time: '' };

  /** `stream`: the index of the stream whose events it carries. `inFlightBytesMax`: how much of it may be under way. */
  constructor(link: HostLink, stream: number, inFlightBytesMax: number) {
    this.#link = link;
    this.#stream = stream;
    this.#batchBytes = Math.min(BATCH_BYTES, Math.ceil(inFlightBytesMax / BATCHES_UNDER_WAY));
  }

  /** Bytes collected or under way. */
  get bytes(): number {
    return this.#bytesUnderWay + (this.#writer?.length ?? 0);
  }

  /** Takes an event; true if the batch is now full and must be sent. */
  add(
    partition: number,
    sequence: number,
    timeMs: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): boolean {
    this.#writer ??= new BatchWriter(this.#spare.pop() ?? new ArrayBuffer(this.#batchBytes * 1.25));
    this.#writer.add(partition, sequence, timeMs, subject, headers, body);
    return this.#writer.length >= this.#batchBytes;
  }

  /** Sends what is collected, unless the host is busy and the batch can still grow. True if nothing is left. */
  flush(anchor: Anchor, streamTime: number, force: boolean): boolean {
    if (this.#writer === undefined) return true;
    if (!force && this.#underWay >= BUSY_BATCHES && this.#writer.length < this.#batchBytes) return false;
    const { buffer, length, count } = this.#writer.take();
    this.#writer = undefined;
    this.#underWay++;
    this.#bytesUnderWay += length;
    this.#anchor = anchor;
    this.#link.post({ kind: 'batch', stream: this.#stream, buffer, length, count, anchor, streamTime }, [buffer]);
    return true;
  }

  /** Tells the host how far the stream was read where it had no events. */
  mark(anchor: Anchor, streamTime: number): void {
    if (this.#writer !== undefined) return; // its batch will say so
    this.#anchor = anchor;
    this.#link.post({ kind: 'mark', stream: this.#stream, anchor, streamTime });
  }

  post(message: MainToHost): void {
    this.#link.post(message);
  }

  /** The host has taken a batch in. */
  done(buffer: ArrayBuffer, length: number): void {
    this.#underWay--;
    this.#bytesUnderWay -= length;
    if (this.#spare.length < SPARE_BUFFERS && buffer.byteLength <= 2 * this.#batchBytes) this.#spare.push(buffer);
  }

  /** How far the host was told that the stream was read. */
  get told(): number {
    return this.#anchor.sequence;
  }
}
