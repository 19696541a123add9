/** EventLog over one JetStream account: dense, unfiltered readings by our own pull requests. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { messageOf } from '../../errors.js';
import type { EventLog, Reading, ReadSink, StreamInfo } from '../../ports/event-log.js';
import type { LogLine } from '../../ports/log.js';
import { isMessageMissing, natsError } from './nats-errors.js';
import { PullReading } from './pull-reading.js';

export interface JetStreamLogOptions {
  readonly connection: NatsConnection;
  /** Begins the names of our consumers, so that an operator knows whose they are. */
  readonly consumerPrefix: string;
  /** How often the server proves that nothing is waiting, ms. */
  readonly heartbeatMs: number;
  /** Most bytes that one pull request may bring. */
  readonly pullBytes: number;
  readonly log: LogLine;
}

export class JetStreamLog implements EventLog {
  readonly #options: JetStreamLogOptions;
  readonly #readings = new Set<PullReading>();
  #manager: Promise<JetStreamManager> | undefined;
  #isWatching = false;

  constructor(options: JetStreamLogOptions) {
    this.#options = options;
  }

  async info(stream: string): Promise<StreamInfo> {
    try {
      const { state } = await (await this.#jsm()).streams.info(stream);
      // An emptied stream reports first_seq = last_seq + 1; a new one reports 0 for both.
      return { stream, first: Math.max(state.first_seq, 1), last: state.last_seq };
    } catch (error) {
      throw natsError('reading the stream information', error, stream);
    }
  }

  async timeOf(stream: string, sequence: number): Promise<string | undefined> {
    try {
      const message = await (await this.#jsm()).streams.getMessage(stream, { seq: sequence });
      return message === null ? undefined : nanosOf(message.timestamp);
    } catch (error) {
      if (isMessageMissing(error)) return undefined;
      throw natsError(`reading message ${sequence}`, error, stream);
    }
  }

  async read(stream: string, from: number, sink: ReadSink): Promise<Reading> {
    this.#watch();
    const terms = { ...this.#options, jsm: await this.#jsm(), stream };
    const reading = new PullReading(terms, this, this.#options.log, from, sink, () => this.#readings.delete(reading));
    this.#readings.add(reading);
    await reading.start();
    return reading;
  }

  /** One listener per log, not per reading: the client library keeps a listener until the connection ends. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { connection, log } = this.#options;
    const follow = async (): Promise<void> => {
      for await (const { type } of connection.status()) {
        if (type === 'reconnect') for (const reading of this.#readings) reading.reconnected();
      }
      for (const reading of this.#readings) reading.disconnected();
    };
    follow().catch((error: unknown) => log('error', 'nats.error', { error: messageOf(error) }));
  }

  #jsm(): Promise<JetStreamManager> {
    // checkAPI asks for account information, which a worker's permissions need not allow.
    this.#manager ??= jetstreamManager(this.#options.connection, { checkAPI: false });
    return this.#manager;
  }
}

/** Nanoseconds since the epoch as text, of an RFC 3339 time with up to nine decimals. */
function nanosOf(time: string): string {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(ms)) throw new RangeError(`not a time: ${time}`);
  return `${ms / 1000}${(match[2] ?? '').padEnd(9, '0')}`;
}
