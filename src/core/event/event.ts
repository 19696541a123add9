/** Events as handlers see them, and the limits every event keeps. */

/**
 * An immutable fact about one key.
 *
 * Source of the shape: the JSON body `{"id","time","key"?,"sequence"?,"type"?,"data"}` published to `events.<key>`.
 */
export interface Event<D = unknown> {
  /** Unique per event; an event whose id was seen within the dedupe horizon is dropped. */
  readonly id: string;
  /** The identity whose events are ordered and whose state is kept. */
  readonly key: string;
  /** Event time, epoch milliseconds, whole. */
  readonly time: number;
  /** Place in the key's own numbering, from the publisher; only with order `sequence`. */
  readonly sequence: number | undefined;
  /** Kind of event, if the publisher gave one. */
  readonly type: string | undefined;
  readonly data: D;
}

/** Bounds that are checked before a body is parsed. */
export interface EventLimits {
  /** Longest body, bytes. */
  readonly payloadBytesMax: number;
  /** Longest header block, bytes. */
  readonly headerBytesMax: number;
}

/** Deepest nesting of a body. */
export const DEPTH_MAX = 64;

/** Latest event time that is accepted: the end of the year 9999, epoch ms. */
export const TIME_MAX = 253_402_300_799_999;

/** An event of the log before it is decoded: text, but nothing believed yet. */
export interface RawEvent {
  readonly subject: string;
  /** The subject token that holds the key, or undefined if the key is elsewhere. */
  readonly token: string | undefined;
  /** Header lines `Name: value`, CR LF between them, or undefined. */
  readonly headers: string | undefined;
  /** The body: text, or base64 if its bytes are not UTF-8; the decoder then never sees it. */
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  /** Length of the whole body, bytes, where `body` is only its beginning because it was too large. */
  readonly wholeBytes?: number | undefined;
  /** `bodyHash` of the body, where it was cheap to have from its bytes. */
  readonly bodyHash?: number | undefined;
  /** The log's own number of the event; its id of last resort where dedupe is off. */
  readonly streamSequence: number;
  /** The log's own time of the event, epoch ms; the event time of last resort. */
  readonly streamTime: number;
}
