/** Why an event is set aside. The codes stand in the error table (src/errors.ts) with what to do about each. */
export type RejectCode =
  | 'EVENT_INVALID'
  | 'EVENT_TOO_LARGE'
  | 'EVENT_TOO_DEEP'
  | 'EVENT_NOT_UTF8'
  | 'EVENT_KEY_INVALID'
  | 'EVENT_TIME_AHEAD'
  | 'EVENT_LATE'
  | 'EVENT_UNNUMBERED'
  | 'HANDLER_THREW'
  | 'STATE_INVALID';

/** An event that cannot be handled, and every reason. */
export interface Rejection {
  readonly code: RejectCode;
  readonly problems: readonly string[];
}
