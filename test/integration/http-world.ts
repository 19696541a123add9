/** The HTTP API on a free port, over a log and a store in memory. */
import type { OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:http';
import { MemoryCheckpointStore } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { MemoryEventLog } from '../../src/adapters/memory/memory-event-log.js';
import { systemClock } from '../../src/adapters/system/system-clock.js';
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { Rejection } from '../../src/core/event/reject.js';
import type { ErrorBody } from '../../src/http/answer.js';
import type { HttpDependencies } from '../../src/http/app.js';
import { serveHttp } from '../../src/http/serve-http.js';
import type { PartitionView } from '../../src/http/status-view.js';
import { History } from '../../src/observability/history.js';
import { Timeline } from '../../src/observability/timeline.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { EventSink } from '../../src/ports/event-log.js';
import type { IngestReceipt } from '../../src/runtime/ingest.js';
import { Ingest } from '../../src/runtime/ingest.js';
import type { NodeStatus } from '../../src/runtime/node-status.js';
import type { KeyState } from '../../src/runtime/state-reader.js';
import { StateReader } from '../../src/runtime/state-reader.js';
import { firstRecord } from '../support/first-record.js';

export const PARTITIONS = 8;

export const runningStatus: NodeStatus = {
  name: 'node-1',
  phase: 'running',
  streams: [{ stream: 'EVENTS', partitions: [0, 63], first: 1, last: 5, unread: 0, isRead: true }],
  unread: 0,
  streamTime: undefined,
  eventsRead: 5,
  inFlightBytes: 0,
  threadRestarts: 0,
  partitions: [],
  threads: [{ slot: 0, heapBytes: 1, commits: 0, commitMs: 0, commitKeys: 0 }],
  cluster: undefined,
  moves: { handedOver: 0, replayed: 0, takenOver: 0, released: 0, lost: 0 },
};

/** There is no node behind this API that could be asked. */
const unasked: HttpDependencies['questions'] = {
  explain: () => Promise.reject(new Error('explain')),
  quarantined: () => Promise.reject(new Error('quarantined')),
  change: () => Promise.reject(new Error('change')),
  inspect: () => Promise.reject(new Error('inspect')),
};

export interface WorldOptions {
  readonly input?: OptionsInput;
  readonly sink?: EventSink;
  readonly status?: () => NodeStatus;
  readonly over?: Partial<HttpDependencies>;
}

/** Every field that an answer of the API may have, so that tests can look at them; which are there is what they test. */
export interface AnswerBody extends Omit<KeyState, 'sequence'>, IngestReceipt {
  readonly error: ErrorBody['error'] & { readonly events: readonly (Rejection & { readonly index: number })[] };
  readonly receipts: readonly IngestReceipt[];
  readonly results: readonly unknown[];
  readonly deadLetters: readonly { readonly sequence: number }[];
  readonly next: unknown;
  readonly partitions: readonly PartitionView[];
}

export interface Answered {
  readonly status: number;
  readonly body: AnswerBody;
  readonly headers: Headers;
}

export class HttpWorld {
  readonly log: MemoryEventLog;
  readonly store: MemoryCheckpointStore;
  readonly lines: { level: string; event: string; fields: object }[];
  readonly url: string;
  readonly close: () => Promise<void>;

  private constructor(parts: Pick<HttpWorld, 'log' | 'store' | 'lines' | 'url' | 'close'>) {
    this.log = parts.log;
    this.store = parts.store;
    this.lines = parts.lines;
    this.url = parts.url;
    this.close = parts.close;
  }

  static async start({
    input = {},
    sink,
    status = () => runningStatus,
    over = {},
  }: WorldOptions = {}): Promise<HttpWorld> {
    const options = defaultOptions({ ...input, partitions: PARTITIONS, http: { port: 0, ...input.http } });
    const log = new MemoryEventLog({ clock: systemClock });
    log.createStream('EVENTS');
    const store = new MemoryCheckpointStore();
    const lines: HttpWorld['lines'] = [];
    const ingest = new Ingest({
      sink: sink ?? log,
      clock: systemClock,
      format: options.event.format,
      publishSubject: options.stream.publishSubject,
      partitions: PARTITIONS,
      limits: { payloadBytesMax: options.limits.payloadBytes, headerBytesMax: options.limits.headerBytes },
      idRequired: true,
    });
    const { url, close } = await serveHttp({
      reader: new StateReader(store, systemClock, PARTITIONS),
      ingest,
      status,
      store,
      questions: unasked,
      history: new History(),
      timeline: new Timeline(() => 0),
      options,
      line: (level, event, fields) => lines.push({ level, event, fields }),
      ...over,
    });
    return new HttpWorld({ log, store, lines, url, close });
  }

  /** Posts a body, as JSON unless it is text or bytes already. */
  async post(body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(`${this.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: isRaw ? (body as string) : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as AnswerBody, headers: response.headers };
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answered> {
    const response = await fetch(this.url + path, { headers });
    return { status: response.status, body: (await response.json()) as AnswerBody, headers: response.headers };
  }

  /** A request whose target and headers are sent exactly as written; what `fetch` would repair stays broken. */
  raw(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.url);
      const sent = request({ hostname, port, path, headers, method, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  /** How many events the log holds. */
  async stored(): Promise<number> {
    return (await this.log.info('EVENTS')).last;
  }

  /** Stores the first checkpoint of a partition: its floor, states by key, dead letters by sequence. */
  async checkpoint(
    partition: number,
    floor: number,
    parts: Partial<Pick<Commit, 'state' | 'dead'>> = {},
  ): Promise<void> {
    const record = firstRecord(partition, PARTITIONS, { floor, above: [] });
    const none = { set: [], remove: [] };
    await this.store.claim({ partition, owner: '1:a', seen: undefined, record });
    const commit = { partition, owner: '1:a', number: 1, record, dedupePut: [], dedupeDrop: [] };
    await this.store.commit({ ...commit, state: none, dead: none, parked: none, outbox: none, ...parts });
  }
}

/** An envelope as the store keeps it. */
export function envelope(state: unknown, sequence = 3): string {
  return JSON.stringify({ state, time: 1_700_000_000_000, id: 'e3', sequence: String(sequence), applied: 2 });
}
