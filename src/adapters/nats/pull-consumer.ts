/**
 * One ephemeral consumer without filter and acknowledgements, and our own pull requests to it on a plain subscription.
 * The library's consumers decode every message to strings and objects and cost two to three times as much per event.
 *
 * Owns: the consumer on the server, its inbox, how much is requested. Does not own: what a lost consumer means. It
 * lives until the first `lost` or `close`; whoever wants to go on makes another one, so nothing of an earlier
 * consumer can be taken for an answer of the present one.
 *
 * Invariants
 * C1. Messages are passed on in the order and with the consumer's own numbers, each once; the first jump of those
 *     numbers, in a message or in a heartbeat, ends the consumer.
 * C2. Between one and two requests are open while it is not paused, so that the server always has one to serve; a
 *     pause makes no new ones.
 * C3. Silence is noticed: a server with an open request sends a heartbeat, and one that does not is given up.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { nanos, nuid } from '@nats-io/nats-core';
import { messageOf } from '../../errors.js';
import { AckSubject } from './ack-subject.js';
import { cutterOf } from './cutting-transport.js';
import type { Frame, FrameCutter } from './frame-cutter.js';
import { frameOf, inboxOf } from './raw-message.js';
import { readStatus } from './status-headers.js';

/** Messages of one pull request. */
const PULL_MESSAGES = 2000;
const PULL_EXPIRES_MS = 30_000;
/** The server removes the consumer after this long without a pull request. */
const INACTIVE_MS = 120_000;
const DELETE_MS = 1_000;
const SILENT_MS_MIN = 2_000;

export interface PullTerms {
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  /** Begins the consumer's name, so that an operator knows whose it is. */
  readonly consumerPrefix: string;
  readonly heartbeatMs: number;
  /** Most bytes that one pull request may bring. */
  readonly pullBytes: number;
}

/** Who gets what the consumer brings. No call comes before `open` or after `close`. */
export interface PullSink {
  /** `ack` is valid during the call only. */
  message(ack: AckSubject, frame: Frame): void;
  /** The server has nothing to deliver. */
  idle(): void;
  /** The consumer is of no more use and is to be closed. */
  lost(reason: string): void;
}

export class PullConsumer {
  /** Whether nothing was waiting to be delivered when the consumer was made. */
  readonly startedIdle: boolean;
  readonly #terms: PullTerms;
  readonly #sink: PullSink;
  readonly #name: string;
  readonly #inbox: string;
  readonly #ack = new AckSubject();
  #subscription: Subscription | undefined;
  #cutter: FrameCutter | undefined;
  #monitor: NodeJS.Timeout | undefined;
  #nextSequence = 1;
  #requested = 0;
  #requests = 0;
  #paused = false;
  #closed = false;
  #heard = 0;

  private constructor(terms: PullTerms, name: string, startedIdle: boolean, sink: PullSink) {
    this.#terms = terms;
    this.#inbox = inboxOf(terms.connection);
    this.#name = name;
    this.startedIdle = startedIdle;
    this.#sink = sink;
  }

  /** Makes the consumer on the server; nothing is requested before `open`. Throws the library's errors. */
  static async create(terms: PullTerms, from: number, sink: PullSink): Promise<PullConsumer> {
    const name = `${terms.consumerPrefix}-${nuid.next()}`;
    const info = await terms.jsm.consumers.add(terms.stream, {
      name,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    return new PullConsumer(terms, name, info.num_pending === 0, sink);
  }

  open(paused: boolean): void {
    const { connection, heartbeatMs } = this.#terms;
    this.#paused = paused;
    this.#heard = performance.now();
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (this.#closed) return;
        if (error === null) this.#receive(frameOf(message));
        else this.#sink.lost(messageOf(error));
      },
    });
    // Messages come past the library's parser where its transport allows it, and through it where not.
    this.#cutter = cutterOf(connection);
    this.#cutter?.take(this.#subscription.getID(), (frame) => {
      if (!this.#closed) this.#receive(frame);
    });
    this.#monitor = setInterval(() => this.#checkHeard(), heartbeatMs);
    this.#monitor.unref();
    this.#request();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heard = performance.now();
    this.#request();
  }

  /** Ends the consumer here and, as far as that is possible, on the server. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#monitor);
    if (this.#subscription !== undefined) {
      this.#cutter?.release(this.#subscription.getID());
      this.#subscription.unsubscribe();
    }
    const { connection, stream } = this.#terms;
    if (connection.isClosed() || connection.isDraining()) return;
    // A consumer that is left behind ends by itself when it is inactive.
    const subject = `$JS.API.CONSUMER.DELETE.${stream}.${this.#name}`;
    await connection.request(subject, undefined, { timeout: DELETE_MS }).catch(() => undefined);
  }

  #request(): void {
    if (this.#paused || this.#closed) return;
    const { connection, stream, pullBytes, heartbeatMs } = this.#terms;
    while (this.#requested < PULL_MESSAGES) {
      const request = {
        batch: PULL_MESSAGES,
        // A request that is smaller than one message would never be served.
        max_bytes: Math.max(pullBytes, (connection.info?.max_payload ?? 0) + 65_536),
        expires: nanos(PULL_EXPIRES_MS),
        idle_heartbeat: nanos(heartbeatMs),
      };
      this.#requested += PULL_MESSAGES;
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.#name}`;
      try {
        connection.publish(subject, JSON.stringify(request), { reply: `${this.#inbox}.${this.#requests++}` });
      } catch (error) {
        this.#sink.lost(messageOf(error));
        return;
      }
    }
  }

  #receive(frame: Frame): void {
    this.#heard = performance.now();
    if (frame.replyAt === frame.replyEnd || !this.#ack.read(frame.bytes, frame.replyAt, frame.replyEnd)) {
      this.#receiveStatus(frame.headers);
      return;
    }
    this.#requested--;
    if (this.#ack.consumerSequence !== this.#nextSequence) {
      this.#sink.lost(`message ${this.#nextSequence} of the consumer did not arrive`);
      return;
    }
    this.#nextSequence++;
    this.#sink.message(this.#ack, frame);
    if (this.#requested < PULL_MESSAGES) this.#request();
  }

  /** Requests answer with a status message when they end without being filled, and while they wait. */
  #receiveStatus(headers: Uint8Array | undefined): void {
    if (headers === undefined) return;
    const { code, description, get } = readStatus(headers);
    if (code === 100) this.#heartbeat(get('nats-last-consumer'));
    else if (code === 404 || code === 408) this.#ended(get('nats-pending-messages'));
    else if (code !== 409) this.#sink.lost(`status ${code} ${description}`.trim());
    else if (/completed|exceeds/i.test(description)) this.#ended(get('nats-pending-messages'));
    else this.#sink.lost(description);
  }

  /** The server has nothing to deliver, and `last` is the number of what it delivered last. */
  #heartbeat(last: string): void {
    if (last === '' || Number(last) === this.#nextSequence - 1) this.#sink.idle();
    else this.#sink.lost(`messages ${this.#nextSequence} to ${last} of the consumer did not arrive`);
  }

  /** A pull request ended with `unserved` messages missing. */
  #ended(unserved: string): void {
    const count = /^\d+$/.test(unserved) ? Number(unserved) : PULL_MESSAGES;
    this.#requested = Math.max(0, this.#requested - count);
    this.#request();
  }

  /** C3. */
  #checkHeard(): void {
    if (this.#requested === 0 || this.#paused) return;
    const silentMs = performance.now() - this.#heard;
    if (silentMs < Math.max(4 * this.#terms.heartbeatMs, SILENT_MS_MIN)) return;
    // A blocked event loop looks the same: let what has arrived be read before judging.
    setImmediate(() => {
      const still = !this.#closed && performance.now() - this.#heard >= silentMs;
      if (still) this.#sink.lost(`nothing heard for ${Math.round(silentMs)} ms`);
    });
  }
}
