/** Texts as they are stored: what no SQL text can hold is escaped, and an envelope is spread over its columns. */
import type { SqlValue } from './sql-database.js';

/** Any text as a column can hold it: Postgres refuses NUL, some SQLite libraries end at it. */
export function escapeText(text: string): string {
  return /[%\0]/.test(text) ? text.replaceAll('%', '%25').replaceAll('\0', '%00') : text;
}

export function unescapeText(text: string): string {
  return text.includes('%') ? text.replaceAll('%00', '\0').replaceAll('%25', '%') : text;
}

/** What follows the state in an envelope: see core/actor/state-envelope.ts. */
const TAIL =
  /,"time":(null|-?\d+),"id":("(?:[^"\\]|\\.)*"),"sequence":"(\d{1,16})","applied":(\d+)(?:,"keySequence":(\d+))?\}$/;
const HEAD = '{"state":';

/** `state`, `event_time_ms`, `event_id`, `sequence`, `key_sequence`, `applied` of a stored state. */
export type StateColumns = readonly [
  state: string,
  time: number | null,
  id: string | null,
  sequence: number | null,
  keySequence: number | null,
  applied: number | null,
];

/** Spreads an envelope over columns. A text that is none, or would come back changed, is kept whole in `state`. */
export function stateColumns(envelope: string): StateColumns {
  const whole: StateColumns = [envelope, null, null, null, null, null];
  const tail = envelope.startsWith(HEAD) ? TAIL.exec(envelope) : null;
  if (tail === null) return whole;
  const [, time, id, sequence, applied, keySequence] = tail;
  const columns: StateColumns = [
    envelope.slice(HEAD.length, tail.index),
    time === 'null' ? null : Number(time),
    escapeText(JSON.parse(id!) as string),
    Number(sequence),
    keySequence === undefined ? null : Number(keySequence),
    Number(applied),
  ];
  return !/\p{Surrogate}/u.test(columns[2]!) && envelopeOf(columns) === envelope ? columns : whole;
}

/** The very text that `stateColumns` was given. */
export function envelopeOf(columns: readonly SqlValue[]): string {
  const [state, time, id, sequence, keySequence, applied] = columns;
  if (applied === null) return state as string;
  const number = keySequence === null ? '' : `,"keySequence":${keySequence}`;
  const idText = JSON.stringify(unescapeText(id as string));
  return `${HEAD}${state},"time":${time},"id":${idText},"sequence":"${sequence}","applied":${applied}${number}}`;
}

/** Order of output ids, which end in `.sequence.index`: numbers of any length. */
export function compareOutputs(a: string, b: string): number {
  const [aSequence = '', aIndex = ''] = a.split('.').slice(-2);
  const [bSequence = '', bIndex = ''] = b.split('.').slice(-2);
  return compareNumbers(aSequence, bSequence) || compareNumbers(aIndex, bIndex);
}

function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : Number(a > b);
}
