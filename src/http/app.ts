/** The HTTP API: which path does what, who may ask, and one form of answer for every error. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { MillraceError } from '../errors.js';
import type { Options } from '../options/types.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';
import type { LogLine } from '../ports/log.js';
import type { Ingest } from '../runtime/ingest.js';
import type { NodeStatus } from '../runtime/node.js';
import type { StateReader } from '../runtime/state-reader.js';
import { accessCheck, securityHeaders } from './access.js';
import type { Answer } from './answer.js';
import { errorAnswer } from './answer.js';
import { frontPage } from './front-page.js';
import { getDeadLetters } from './get-dead-letters.js';
import { getState } from './get-state.js';
import { postEvents } from './post-events.js';
import { Query } from './query.js';
import { statusView } from './status-view.js';

export interface HttpDependencies {
  readonly reader: StateReader;
  readonly ingest: Ingest;
  readonly status: () => NodeStatus;
  readonly store: Pick<CheckpointStore, 'deadLetters'>;
  readonly options: Pick<Options, 'http' | 'limits' | 'partitions'>;
  readonly line: LogLine;
}

/** `incoming` is there under Node's server, not when a test calls the app itself. */
export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
}

/** The API as an app that answers requests; `serveHttp` puts it on a port. */
export function createHttpApp({ reader, ingest, status, store, options, line }: HttpDependencies): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const checkAccess = accessCheck(options.http.token);
  const payloadBytes = options.limits.payloadBytes;

  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    checkAccess(c.req.raw);
    await next();
  });
  app.post('/v1/events', async (c) =>
    send(c, await postEvents(c.req.raw, c.env?.incoming?.headersDistinct ?? {}, { ingest, payloadBytes, line })),
  );
  app.get('/v1/state/:key', async (c) => send(c, await getState(c.req.url, c.env?.incoming?.url ?? c.req.url, reader)));
  app.get('/v1/status', (c) => {
    new Query(c.req.url, []).check();
    return send(c, { status: 200, body: statusView(status()) });
  });
  app.get('/v1/dead-letters', async (c) => send(c, await getDeadLetters(c.req.url, store, options.partitions)));
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

/** Method and path, for messages; a path may be of any length. */
function requestOf(c: Context<HttpEnv>): string {
  return `${c.req.method} ${c.req.path.slice(0, 200)}`;
}
