/**
 * Batches of events between the router and a thread: one byte buffer, transferred, no object per event.
 *
 * Layout of one record, little endian, back to back:
 *   u16 partition · u16 subject bytes · u32 header bytes · u32 body bytes · f64 stream sequence · f64 stream time (epoch ms)
 *   · 32 bytes that the writer leaves alone, for whoever reads the record to note what it found,
 *   then the bytes of subject, headers and body. No headers: 0 bytes.
 *
 * The writer runs once per event on the main thread, so it only copies; decoding is the thread's work.
 */

/** Where a record's notes begin. */
export const NOTES_AT = 28;
/** Where its subject begins. */
export const SUBJECT_AT = 60;

/** Fills one buffer. Owns it until `take`. */
export class BatchWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  #count = 0;

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** Events written. */
  get count(): number {
    return this.#count;
  }

  add(
    partition: number,
    sequence: number,
    timeMs: number,
    subject: Uint8Array,
    headers: Uint8Array | undefined,
    body: Uint8Array,
  ): void {
    const headerBytes = headers === undefined ? 0 : headers.length;
    let at = this.#length;
    const end = at + SUBJECT_AT + subject.length + headerBytes + body.length;
    if (end > this.#bytes.length) this.#grow(end);
    const view = this.#view;
    view.setUint16(at, partition, true);
    view.setUint16(at + 2, subject.length, true);
    view.setUint32(at + 4, headerBytes, true);
    view.setUint32(at + 8, body.length, true);
    view.setFloat64(at + 12, sequence, true);
    view.setFloat64(at + 20, timeMs, true);
    at += SUBJECT_AT;
    this.#bytes.set(subject, at);
    at += subject.length;
    if (headers !== undefined) this.#bytes.set(headers, at);
    this.#bytes.set(body, at + headerBytes);
    this.#length = end;
    this.#count++;
  }

  /** The whole buffer and how much of it is used; the writer must not be used again. */
  take(): { buffer: ArrayBuffer; length: number; count: number } {
    return { buffer: this.#bytes.buffer, length: this.#length, count: this.#count };
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Walks the records of a batch: `next` moves on, the fields describe the record it stands on. */
export class BatchReader {
  /** The whole buffer. */
  readonly view: DataView;
  readonly #length: number;
  #next = 0;
  partition = 0;
  sequence = 0;
  timeMs = 0;
  /** Byte offsets into the buffer: the record from `recordAt`, its subject from `subjectAt`, headers from `headersAt`, body from `bodyAt` to `end`. */
  recordAt = 0;
  subjectAt = 0;
  headersAt = 0;
  bodyAt = 0;
  end = 0;

  constructor(buffer: ArrayBuffer, length: number) {
    this.view = new DataView(buffer);
    this.#length = length;
  }

  next(): boolean {
    const at = this.#next;
    if (at >= this.#length) return false;
    const { view } = this;
    this.partition = view.getUint16(at, true);
    this.sequence = view.getFloat64(at + 12, true);
    this.timeMs = view.getFloat64(at + 20, true);
    this.recordAt = at;
    this.subjectAt = at + SUBJECT_AT;
    this.headersAt = this.subjectAt + view.getUint16(at + 2, true);
    this.bodyAt = this.headersAt + view.getUint32(at + 4, true);
    this.end = this.bodyAt + view.getUint32(at + 8, true);
    this.#next = this.end;
    return true;
  }
}
