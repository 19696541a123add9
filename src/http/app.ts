/** The HTTP API: which path does what, who may ask, and one form of answer for every error. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { MillraceError } from '../errors.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import type { Inquiries } from '../runtime/explain.js';
import type { Ingest } from '../runtime/ingest.js';
import type { NodeStatus } from '../runtime/node.js';
import type { StateReader } from '../runtime/state-reader.js';
import { accessCheck, securityHeaders } from './access.js';
import type { Answer } from './answer.js';
import { errorAnswer } from './answer.js';
import { getDeadLetter, postDeadLetter } from './dead-letter.js';
import { frontPage } from './front-page.js';
import { getDeadLetters } from './get-dead-letters.js';
import { getEvent } from './get-event.js';
import { getState } from './get-state.js';
import { postEvents } from './post-events.js';
import { getQuarantine, postQuarantine } from './quarantine.js';
import { Query } from './query.js';
import { statusView } from './status-view.js';

export interface HttpDependencies {
  readonly reader: StateReader;
  readonly ingest: Ingest;
  readonly status: () => NodeStatus;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  readonly questions: Pick<Inquiries, 'explain' | 'quarantined' | 'change'>;
  readonly options: Pick<Options, 'http' | 'limits' | 'partitions'>;
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

  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    checkAccess(c.req.raw);
    await next();
  });
  app.post('/v1/events', async (c) =>
    send(c, await postEvents(c.req.raw, c.env?.incoming?.headersDistinct ?? {}, { ingest, payloadBytes, line })),
  );
  app.get('/v1/events/:id', async (c) => send(c, await getEvent(c.req.url, targetOf(c), questions)));
  app.get('/v1/state/:key', async (c) => send(c, await getState(c.req.url, targetOf(c), reader)));
  app.get('/v1/status', (c) => {
    new Query(c.req.url, []).check();
    return send(c, { status: 200, body: statusView(status()) });
  });
  app.get('/v1/dead-letters', async (c) => send(c, await getDeadLetters(c.req.url, store, partitions)));
  app.get('/v1/dead-letters/:partition/:sequence', async (c) =>
    send(c, await getDeadLetter(c.req.url, c.req.param(), store, partitions)),
  );
  app.post('/v1/dead-letters/:partition/:sequence', async (c) =>
    send(c, await postDeadLetter(c.req.raw, c.req.param(), changes)),
  );
  app.get('/v1/quarantine', async (c) => send(c, await getQuarantine(c.req.url, questions, partitions)));
  app.post('/v1/quarantine/:key', async (c) => send(c, await postQuarantine(c.req.raw, targetOf(c), changes)));
  app.get('/', (c) => c.html(frontPage));

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
