/**
 * EventSink over JetStream: publishes and waits for the acknowledgement, on an inbox of its own. The library's way of
 * publishing makes a timer, a promise race and an error with its stack for every event: 42 µs of CPU instead of 6, 27 k
 * instead of 100 k events/s with 1,000 in flight (nats-server 2.9, two cores).
 *
 * Invariants
 * A1. Every `append` settles: with the answer, at its deadline, or when the connection is lost.
 * A2. What was sent over a connection that is lost is reported as unknown at once; it may be stored. Nothing is sent
 *     while there is no connection, because the library drops it without a word.
 * A3. Events are sent in the order of the calls, and those of one turn of the event loop together: a write of each would
 *     cost more than all the rest.
 */
import { Buffer } from 'node:buffer';
import type { NatsConnection, Status, Subscription } from '@nats-io/nats-core';
import { headers, PermissionViolationError } from '@nats-io/nats-core';
import { type Context, context, propagation } from '@opentelemetry/api';
import { MillraceError, messageOf } from '../../errors.js';
import type { Appended, EventSink, NewEvent } from '../../ports/event-log.js';
import { cutterOf } from './cutting-transport.js';
import type { Frame } from './frame-cutter.js';
import { PublishBatch } from './publish-batch.js';
import { answerError, sendError } from './publish-errors.js';
import { frameOf, inboxOf } from './raw-message.js';
import { readStatus } from './status-headers.js';
import { UntakenSubject } from './untaken-subject.js';

export interface JetStreamSinkOptions {
  /** How long an answer is waited for; 5 s by default. */
  readonly timeoutMs?: number | undefined;
  /** The stream that must take the events; by default the one that the subject belongs to. */
  readonly stream?: string | undefined;
}

interface Waiting {
  readonly event: NewEvent;
  /** Of whoever appended it: many are sent in one turn. */
  readonly trace: Context;
  readonly deadline: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: MillraceError) => void;
}

interface Answer {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code: number; readonly description: string };
}

const TIMEOUT_MS = 5_000;
/** Status of an answer where nobody listens to the subject. */
const NO_RESPONDERS = 503;
const ZERO = 0x30;

export class JetStreamSink implements EventSink {
  readonly #connection: NatsConnection;
  readonly #timeoutMs: number;
  readonly #stream: string | undefined;
  readonly #inbox: string;
  readonly #untaken: UntakenSubject;
  readonly #batch: PublishBatch;
  /** By token, oldest first: all wait equally long. */
  readonly #waiting = new Map<number, Waiting>();
  /** Tokens of what is to be sent. */
  #outgoing: number[] = [];
  #subscription: Subscription | undefined;
  #tokens = 0;
  #timer: NodeJS.Timeout | undefined;
  #isAway = false;
  #isClosed = false;

  constructor(connection: NatsConnection, options: JetStreamSinkOptions = {}) {
    this.#connection = connection;
    this.#inbox = inboxOf(connection);
    this.#untaken = new UntakenSubject(connection);
    this.#batch = new PublishBatch(connection);
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#stream = options.stream;
    void this.#watch();
  }

  append(event: NewEvent): Promise<Appended> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw unanswered(event, 'the sink is closed');
      const token = this.#tokens++;
      const deadline = performance.now() + this.#timeoutMs;
      this.#waiting.set(token, { event, trace: context.active(), deadline, resolve, reject });
      this.#timer ??= setTimeout(() => this.#expire(), this.#timeoutMs).unref();
      if (this.#outgoing.push(token) === 1 && !this.#isAway) setImmediate(() => this.#sendAll());
    });
  }

  /** Ends what the sink has on the connection, which stays open. What is still waited for is reported as unknown. */
  close(): void {
    this.#isClosed = true;
    if (this.#subscription !== undefined) cutterOf(this.#connection)?.release(this.#subscription.getID());
    this.#subscription?.unsubscribe();
    clearTimeout(this.#timer);
    this.#rejectAll((event) => unanswered(event, 'the sink was closed'));
  }

  #sendAll(): void {
    if (this.#isAway) return;
    const tokens = this.#outgoing;
    this.#outgoing = [];
    for (const token of tokens) {
      const waiting = this.#waiting.get(token);
      if (waiting === undefined) continue;
      try {
        this.#send(waiting, token);
      } catch (error) {
        this.#waiting.delete(token);
        waiting.reject(sendError(waiting.event, error));
      }
    }
    this.#batch.send();
  }

  #send({ event, trace }: Waiting, token: number): void {
    if (this.#subscription === undefined) this.#listen();
    const reply = `${this.#inbox}.${token}`;
    const fields: [string, string][] = [['Nats-Msg-Id', event.id]];
    // `traceparent` of the event, or of whoever publishes: nothing where no tracing is set up in this process.
    if (event.trace === undefined)
      propagation.inject(trace, fields, { set: (into, name, value) => into.push([name, value]) });
    else fields.push(...Object.entries(event.trace));
    if (this.#stream !== undefined) fields.push(['Nats-Expected-Stream', this.#stream]);
    const isOpen = !this.#connection.isClosed() && !this.#connection.isDraining();
    if (isOpen && this.#batch.add(event.subject, reply, fields, event.body)) return;
    this.#batch.send();
    const head = headers();
    for (const [name, value] of fields) head.set(name, value);
    this.#connection.publish(event.subject, event.body, { headers: head, reply });
  }

  #listen(): void {
    this.#subscription = this.#connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(frameOf(message));
        else this.#refused(error);
      },
    });
    this.#cut();
  }

  /** Answers come past the library's parser where the transport allows it, and through it where not. */
  #cut(): void {
    if (this.#subscription === undefined) return;
    cutterOf(this.#connection)?.take(this.#subscription.getID(), (frame) => this.#receive(frame));
  }

  #receive({ subject, headers: head, body }: Frame): void {
    let token = 0;
    for (let at = this.#inbox.length + 1; at < subject.length; at++) token = token * 10 + subject[at]! - ZERO;
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    if (body.length === 0) {
      const code = head === undefined ? 0 : readStatus(head).code;
      if (code === NO_RESPONDERS) void this.#untaken.judge(waiting.event).then(waiting.reject);
      else waiting.reject(answerError(waiting.event, code, `status ${code}`));
      return;
    }
    try {
      const { stream, seq, duplicate, error } = JSON.parse(textOf(body)) as Answer;
      if (error !== undefined) waiting.reject(answerError(waiting.event, error.err_code, error.description));
      else {
        this.#untaken.taken(stream);
        waiting.resolve({ stream, sequence: seq, duplicate: duplicate === true });
      }
    } catch (error) {
      // Somebody who is no stream answered.
      waiting.reject(answerError(waiting.event, 0, `the answer is no acknowledgement: ${messageOf(error)}`));
    }
  }

  #expire(): void {
    const now = performance.now();
    this.#timer = undefined;
    for (const [token, { event, deadline, reject }] of this.#waiting) {
      if (deadline > now) {
        this.#timer = setTimeout(() => this.#expire(), deadline - now).unref();
        return;
      }
      this.#waiting.delete(token);
      reject(unanswered(event, `no answer within ${this.#timeoutMs} ms`));
    }
  }

  /** The server forbids the inbox; the library has closed the subscription. */
  #refused(error: Error): void {
    this.#subscription = undefined;
    this.#rejectAll((event) => refused(event, error));
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      // The library gives no way to end this loop from outside; it ends with the first status after the close.
      if (this.#isClosed) return;
      this.#follow(status);
    }
    this.#return();
    this.#rejectAll((event) => unanswered(event, 'the connection was closed'));
  }

  #follow(status: Status): void {
    if (status.type === 'disconnect') {
      this.#isAway = true;
      this.#rejectAll((event) => unanswered(event, 'the connection was lost before the answer'));
    } else if (status.type === 'reconnect') this.#return();
    else if (status.type === 'error') {
      const { error } = status;
      if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return;
      this.#rejectAll((event) => (event.subject === error.subject ? refused(event, error) : undefined));
    }
  }

  #return(): void {
    this.#isAway = false;
    this.#cut(); // the transport is a new one
    this.#sendAll();
  }

  #rejectAll(errorOf: (event: NewEvent) => MillraceError | undefined): void {
    for (const [token, { event, reject }] of this.#waiting) {
      const error = errorOf(event);
      if (error === undefined) continue;
      this.#waiting.delete(token);
      reject(error);
    }
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

function unanswered({ subject }: NewEvent, why: string): MillraceError {
  return new MillraceError('NATS_UNREACHABLE', `publishing to ${JSON.stringify(subject)}: ${why}; it may be stored`);
}

function refused({ subject }: NewEvent, cause: Error): MillraceError {
  const message = `nats-server refuses to publish to ${JSON.stringify(subject)}: ${messageOf(cause)}`;
  return new MillraceError('NATS_REFUSED', message, { cause });
}
