/**
 * EventSink over a node's HTTP API: events that come together go together, as lines of one request.
 *
 * Invariants
 * H1. At most REQUESTS_MAX requests of at most EVENTS_MAX events are under way; what comes meanwhile waits for the next.
 * H2. Every `append` settles: with its receipt, with what the node says of its event, or with why the request failed.
 */
import { type ErrorCode, errorTable, MillraceError, messageOf } from '../errors.js';
import type { Appended, EventSink, NewEvent } from '../ports/event-log.js';

export interface HttpEventSinkOptions {
  /** Address of the node. */
  readonly url: string;
  readonly token: string | undefined;
}

interface Waiting {
  readonly event: NewEvent;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: MillraceError) => void;
}

interface Stored {
  readonly receipt?: Appended;
  readonly code?: ErrorCode;
}

interface AnswerBody {
  readonly receipts?: readonly Appended[];
  readonly results?: readonly Stored[];
  readonly error?: { readonly code?: string; readonly message?: string };
}

const REQUESTS_MAX = 4;
const EVENTS_MAX = 1_000;
const ANSWER_MS_MAX = 30_000;
const CLOSING_BRACE = 0x7d;

export class HttpEventSink implements EventSink {
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  #waiting: Waiting[] = [];
  #requests = 0;
  #isPlanned = false;

  constructor({ url, token }: HttpEventSinkOptions) {
    this.#url = new URL('/v1/events', url);
    this.#headers = { 'content-type': 'application/x-ndjson' };
    if (token !== undefined) this.#headers.authorization = `Bearer ${token}`;
  }

  append(event: NewEvent): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      this.#plan();
    });
  }

  #plan(): void {
    if (this.#isPlanned || this.#waiting.length === 0 || this.#requests >= REQUESTS_MAX) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      const batch = this.#waiting.splice(0, EVENTS_MAX);
      this.#requests++;
      void this.#send(batch).finally(() => {
        this.#requests--;
        this.#plan();
      });
      this.#plan();
    });
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    let answer: AnswerBody;
    try {
      answer = await this.#ask(batch);
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
      const message = `no node answers at ${this.#url.origin}: ${messageOf(reason)}; events may be stored`;
      for (const { reject } of batch) reject(new MillraceError('NODE_UNREACHABLE', message, { cause }));
      return;
    }
    const { receipts, results = [], error } = answer;
    for (const [at, { resolve, reject }] of batch.entries()) {
      const receipt = receipts?.[at] ?? results[at]?.receipt;
      if (receipt === undefined) reject(errorOf(results[at]?.code ?? error?.code, error?.message));
      else resolve(receipt);
    }
  }

  async #ask(batch: readonly Waiting[]): Promise<AnswerBody> {
    const body = Buffer.concat(batch.flatMap(({ event }) => lineOf(event)));
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const response = await fetch(this.#url, { method: 'POST', headers: this.#headers, body, signal });
    const text = await response.text();
    try {
      return JSON.parse(text) as AnswerBody;
    } catch {
      throw new Error(`it answers ${response.status}, and not as a node of Millrace does`);
    }
  }
}

/** The body of the event, with its key as one more field at its end. */
function lineOf({ body, about }: NewEvent): Uint8Array[] {
  if (body.at(-1) !== CLOSING_BRACE || about === undefined)
    throw new MillraceError('BUG', 'an event for HTTP is a JSON object and names its key');
  return [body.subarray(0, -1), Buffer.from(`,"key":${JSON.stringify(about.key)}}\n`)];
}

function errorOf(code: string | undefined, message = 'the node gave no reason'): MillraceError {
  const isKnown = code !== undefined && Object.hasOwn(errorTable, code);
  return new MillraceError(isKnown ? (code as ErrorCode) : 'NODE_UNREACHABLE', message);
}
