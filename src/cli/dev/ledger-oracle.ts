/**
 * What every account must be: an independent fold of the whole stream. It shares no code with the router, the actors
 * or the ledger handler; its arithmetic is written a second time, on purpose.
 *
 * The rules: of equal ids of a key the first in the stream counts; what Millrace set aside as a dead letter does not
 * count; the rest is folded in the order of (time, stream sequence).
 */
import type { CapturedEvent } from './stream-capture.js';

/** An account as the fold has it. */
export interface ExpectedAccount {
  readonly balance: number;
  readonly deposits: number;
  readonly withdrawals: number;
  readonly refused: number;
  /** Events folded, and the id of the last one. */
  readonly applied: number;
  readonly id: string;
}

/** What the store says of the stream's events; the fold believes nothing else of it. */
export interface Decisions {
  /** Why an event was set aside; undefined if it was not. */
  reasonOf(event: Pick<CapturedEvent, 'stream' | 'sequence'>): string | undefined;
  isDecided(key: string, sequence: number): boolean;
}

interface Movement {
  readonly time: number;
  readonly sequence: number;
  readonly id: string;
  /** Above 0 for a deposit, below for a withdrawal. */
  readonly amount: number;
}

interface Account {
  readonly ids: Set<string>;
  readonly movements: Movement[];
}

/** Dead letters that had an id and a place in the order: a repetition of them is a duplicate. */
const JUDGED: readonly string[] = ['EVENT_LATE', 'HANDLER_THREW', 'STATE_INVALID'];

export class LedgerOracle {
  readonly #decisions: Decisions;
  readonly #keyToken: number;
  readonly #accounts = new Map<string, Account>();
  events = 0;
  duplicates = 0;
  /** Events set aside, by reason. */
  readonly dead = new Map<string, number>();
  /** Sequences of events that count but are no deposits or withdrawals. */
  readonly unreadable: number[] = [];
  /** Events that were not decided yet. */
  undecided = 0;

  /** `keyToken` is the place of the key in the subject, from 1 on. */
  constructor(decisions: Decisions, keyToken: number) {
    this.#decisions = decisions;
    this.#keyToken = keyToken;
  }

  /** Takes the stream's events in, in stream order. */
  take(event: CapturedEvent): void {
    this.events++;
    const key = keyOf(event.subject, this.#keyToken);
    const account = this.#account(key);
    const id = idOf(event);
    const reason = this.#decisions.reasonOf(event);
    if (reason !== undefined) {
      this.dead.set(reason, (this.dead.get(reason) ?? 0) + 1);
      if (id !== undefined && JUDGED.includes(reason)) account.ids.add(id);
      return;
    }
    const isDecided = this.#decisions.isDecided(key, event.sequence);
    if (!isDecided) this.undecided++;
    if (id !== undefined && account.ids.has(id)) {
      this.duplicates++;
      return;
    }
    if (id !== undefined) account.ids.add(id);
    if (!isDecided) return;
    const movement = id === undefined ? undefined : movementOf(event, id);
    if (movement === undefined) this.unreadable.push(event.sequence);
    else account.movements.push(movement);
  }

  /** The accounts after everything that was taken in. */
  fold(): Map<string, ExpectedAccount> {
    const accounts = [...this.#accounts].filter(([, { movements }]) => movements.length > 0);
    return new Map(accounts.map(([key, { movements }]) => [key, balanceOf(movements)]));
  }

  #account(key: string): Account {
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { ids: new Set(), movements: [] };
      this.#accounts.set(key, account);
    }
    return account;
  }
}

function balanceOf(movements: readonly Movement[]): ExpectedAccount {
  const ordered = [...movements].sort((a, b) => a.time - b.time || a.sequence - b.sequence);
  let balance = 0;
  let deposits = 0;
  let refused = 0;
  for (const { amount } of ordered) {
    if (amount > 0) deposits++;
    if (balance + amount < 0) refused++;
    else balance += amount;
  }
  const withdrawals = ordered.length - deposits - refused;
  return { balance, deposits, withdrawals, refused, applied: ordered.length, id: ordered.at(-1)!.id };
}

function keyOf(subject: string, token: number): string {
  const text = subject.split('.')[token - 1] ?? subject;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

interface Body {
  readonly id?: unknown;
  readonly time?: unknown;
  readonly type?: unknown;
  readonly data?: { readonly type?: unknown; readonly amount?: unknown } | null;
}

/** Body of an event; one of a CloudEvent in binary form is its data, the rest is in headers. */
function bodyOf(event: CapturedEvent): Body | undefined {
  let body: unknown;
  try {
    body = JSON.parse(event.body);
  } catch {
    return undefined;
  }
  if (event.header('ce-specversion') === undefined) return typeof body === 'object' && body !== null ? body : undefined;
  return {
    id: event.header('ce-id'),
    time: event.header('ce-time'),
    type: event.header('ce-type'),
    data: body as NonNullable<Body['data']>,
  };
}

function idOf(event: CapturedEvent): string | undefined {
  const id = bodyOf(event)?.id ?? event.header('Nats-Msg-Id') ?? event.header('ce-id');
  return id === undefined || id === null ? undefined : String(id);
}

function movementOf(event: CapturedEvent, id: string): Movement | undefined {
  const body = bodyOf(event);
  const type = body?.type ?? body?.data?.type;
  const amount = body?.data?.amount;
  if (typeof amount !== 'number' || (type !== 'deposit' && type !== 'withdrawal')) return undefined;
  const time = timeOf(body?.time, event.streamTime);
  return { time, sequence: event.sequence, id, amount: type === 'deposit' ? amount : -amount };
}

function timeOf(time: unknown, streamTime: number): number {
  if (typeof time === 'number') return Math.floor(time);
  if (typeof time === 'string') return /^\d+$/.test(time) ? Number(time) : Date.parse(time.toUpperCase());
  return Math.floor(streamTime);
}
