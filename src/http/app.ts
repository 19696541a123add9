/** The HTTP API: which path does what, who may ask, and one form of answer for every error. */

import type { HttpBindings } from '@hono/node-server';
import { context, propagation } from '@opentelemetry/api';
import type { Context } from 'hono';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { MillraceError } from '../errors.js';
import type { History } from '../observability/history.js';
import type { Timeline } from '../observability/timeline.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import type { Inquiries } from '../runtime/explain.js';
import type { Ingest } from '../runtime/ingest.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { StateReader } from '../runtime/state-reader.js';
import { accessCheck, securityHeaders } from './access.js';
import type { Answer } from './answer.js';
import { errorAnswer } from './answer.js';
import { checkBrowserChange } from './browser.js';
import { getDeadLetter, postDeadLetter } from './dead-letter.js';
import { getDeadLetters } from './get-dead-letters.js';
import { getEvent } from './get-event.js';
import { getKey } from './get-key.js';
import { getLive, getTimeline } from './get-live.js';
import { getState } from './get-state.js';
import { pageFile, pagePolicy } from './page.js';
import { postEvents } from './post-events.js';
import { getQuarantine, postQuarantine } from './quarantine.js';
import { Query } from './query.js';
import { statusView } from './status-view.js';

export interface HttpDependencies {
  readonly reader: StateReader;
  readonly ingest: Ingest;
  readonly status: () => NodeStatus;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  readonly questions: Pick<Inquiries, 'explain' | 'quarantined' | 'inspect' | 'change'>;
  readonly history: Pick<History, 'since'>;
  readonly timeline: Pick<Timeline, 'after'>;
  readonly options: Pick<Options, 'app' | 'http' | 'limits' | 'partitions'>;
  readonly line: LogLine;
}

/** `incoming` is there under Node's server, not when a test calls the app itself. */
export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
}

/** The API as an app that answers requests; `serveHttp` puts it on a port. */
export function createHttpApp(deps: HttpDependencies): Hono<HttpEnv> {
  const { reader, ingest, status, store, questions, options, line } = deps;
  const app = new Hono<HttpEnv>();
  const checkAccess = accessCheck(options.http.token);
  const { partitions } = options;
  const { payloadBytes } = options.limits;
  const changes = { questions, partitions, payloadBytes };
  const { history, timeline } = deps;
  const { actions } = options.http;
  const live = { history, timeline, app: options.app, actions, now: Date.now };
  /** A change that was made is told to the log: who asks later what happened finds it there. */
  const change = async (c: Context<HttpEnv>, make: () => Promise<Answer>): Promise<Response> => {
    checkBrowserChange(c.req.raw, actions);
    const answer = await make();
    if (answer.status === 200) line('info', 'http.change', { request: requestOf(c), ...answer.body });
    return send(c, answer);
  };

  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    // The files of the page hold no data; with a token, it is the page that asks for it.
    const isPage = options.http.token !== undefined && c.req.method === 'GET' && pageFile(c.req.path) !== undefined;
    if (!isPage) checkAccess(c.req.raw);
    // What the request leads to belongs to the trace that it carries; nothing where no tracing is set up in this process.
    const traced = propagation.extract(context.active(), Object.fromEntries(c.req.raw.headers));
    await context.with(traced, () => next());
  });
  app.post('/v1/events', async (c) =>
    send(c, await postEvents(c.req.raw, c.env?.incoming?.headersDistinct ?? {}, { ingest, payloadBytes, line })),
  );
  app.get('/v1/events/:id', async (c) => send(c, await getEvent(c.req.url, targetOf(c), questions)));
  app.get('/v1/state/:key', async (c) =>
    send(c, await getState(c.req.url, targetOf(c), reader, () => c.req.raw.signal)),
  );
  app.get('/v1/status', (c) => {
    new Query(c.req.url, []).check();
    return send(c, { status: 200, body: statusView(status()) });
  });
  app.get('/v1/dead-letters', async (c) => send(c, await getDeadLetters(c.req.url, store, partitions)));
  app.get('/v1/dead-letters/:partition/:sequence', async (c) =>
    send(c, await getDeadLetter(c.req.url, c.req.param(), store, partitions)),
  );
  app.post('/v1/dead-letters/:partition/:sequence', (c) =>
    change(c, () => postDeadLetter(c.req.raw, c.req.param(), changes)),
  );
  app.get('/v1/quarantine', async (c) => send(c, await getQuarantine(c.req.url, questions, partitions)));
  app.post('/v1/quarantine/:key', (c) => change(c, () => postQuarantine(c.req.raw, targetOf(c), changes)));
  app.get('/v1/keys/:key', async (c) =>
    send(c, await getKey(c.req.url, targetOf(c), { reader, questions, partitions, status })),
  );
  app.get('/v1/live', (c) => send(c, getLive(c.req.url, status(), live)));
  app.get('/v1/timeline', (c) => send(c, getTimeline(c.req.url, live)));
  app.get('*', (c, next) => {
    const file = pageFile(c.req.path);
    if (file === undefined) return next();
    c.header('content-security-policy', pagePolicy);
    return Promise.resolve(c.body(file.bytes, 200, { 'content-type': file.type }));
  });

  app.notFound((c) =>
    send(c, errorAnswer(new MillraceError('NOT_FOUND', `nothing answers ${requestOf(c)}`), line, '')),
  );
  app.onError((error, c) => {
    // Hono gives an error's answer headers of its own.
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    return send(c, errorAnswer(error, line, requestOf(c)));
  });
  return app;
}

function send(c: Context<HttpEnv>, { status, body }: Answer): Response {
  if (status === 401) c.header('www-authenticate', 'Bearer');
  if (status === 503) c.header('retry-after', '1');
  return c.json(body, status as ContentfulStatusCode);
}

/** What the client sent as the target, byte for byte. */
function targetOf(c: Context<HttpEnv>): string {
  return c.env?.incoming?.url ?? c.req.url;
}

/** Method and path, for messages; a path may be of any length. */
function requestOf(c: Context<HttpEnv>): string {
  return `${c.req.method} ${c.req.path.slice(0, 200)}`;
}
