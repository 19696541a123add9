/**
 * A node as a service of NATS: it answers discovery (`$SRV.PING`, `INFO`, `STATS`), so that `nats micro ls` lists it, and
 * requests on its endpoints.
 *
 * Source: NATS architecture and design, ADR-32 "Service API".
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import { codeOf, messageOf } from '../../errors.js';

/** An endpoint of the service; what `answer` returns is sent as JSON, what it throws as an error. */
export interface ServiceEndpoint {
  /** Letters, digits, dashes and underscores. */
  readonly name: string;
  readonly subject: string;
  readonly answer: (request: Uint8Array) => Promise<unknown>;
}

export interface ServiceOptions {
  readonly connection: NatsConnection;
  /** Letters, digits, dashes and underscores; the same for every node of an application. */
  readonly name: string;
  /** Of this process. */
  readonly id: string;
  readonly version: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly ServiceEndpoint[];
}

interface Statistics {
  requests: number;
  errors: number;
  lastError: string;
  nanos: number;
}

/** Nodes of an application share the requests. */
const QUEUE = 'q';
const statusOf = { NOT_FOUND: 404, REQUEST_INVALID: 400, NOT_REFLECTED: 504 } as const;

/** Serves until the returned function is called, or the connection closes. */
export function serveMicro(options: ServiceOptions): () => void {
  const { connection, name, id, version, description, metadata, endpoints } = options;
  const started = new Date().toISOString();
  const statistics = endpoints.map((): Statistics => ({ requests: 0, errors: 0, lastError: '', nanos: 0 }));
  const about = { name, id, version, metadata };
  const listed = endpoints.map((one) => ({ name: one.name, subject: one.subject, queue_group: QUEUE, metadata: {} }));
  const verbs: Readonly<Record<string, () => object>> = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...about }),
    INFO: () => ({ type: 'io.nats.micro.v1.info_response', ...about, description, endpoints: listed }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...about,
      started,
      endpoints: listed.map((one, at) => ({ ...one, ...counted(statistics[at]!) })),
    }),
  };
  const subscriptions: Subscription[] = [];
  // A user who may not subscribe there is no error: the node is then simply not listed.
  for (const [verb, answer] of Object.entries(verbs))
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`])
      subscriptions.push(
        connection.subscribe(subject, {
          callback: (error, message) => {
            if (error === null) message.respond(JSON.stringify(answer()));
          },
        }),
      );
  for (const [at, { subject, answer }] of endpoints.entries())
    subscriptions.push(
      connection.subscribe(subject, {
        queue: QUEUE,
        callback: (error, message) => {
          if (error === null) void serve(message, answer, statistics[at]!);
        },
      }),
    );
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}

async function serve(message: Msg, answer: ServiceEndpoint['answer'], counts: Statistics): Promise<void> {
  const from = performance.now();
  counts.requests++;
  try {
    message.respond(JSON.stringify(await answer(message.data)));
  } catch (error) {
    counts.errors++;
    const code = codeOf(error);
    const status = Object.hasOwn(statusOf, code) ? statusOf[code as keyof typeof statusOf] : 500;
    counts.lastError = `${status}:${code}: ${messageOf(error)}`;
    const head = headers();
    head.set('Nats-Service-Error', `${code}: ${messageOf(error)}`);
    head.set('Nats-Service-Error-Code', String(status));
    message.respond('', { headers: head });
  } finally {
    counts.nanos += Math.round((performance.now() - from) * 1e6);
  }
}

function counted({ requests, errors, lastError, nanos }: Statistics): object {
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: nanos,
    average_processing_time: requests === 0 ? 0 : Math.round(nanos / requests),
  };
}
