/** The HTTP API on its port, with every bound that Node's server has. */
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import type { HttpDependencies } from './app.js';
import { createHttpApp } from './app.js';
import type { Listening } from './listen.js';
import { listen } from './listen.js';

/** CloudEvents may travel in headers; a key and an id are at most 768 characters each there. */
const HEADER_BYTES_MAX = 16_384;
/** A client that sends its headers, or its whole request, more slowly than this is cut off. */
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 60_000;
/** Longer than a load balancer keeps a connection, so that it is not closed under a request on its way. */
const KEEP_ALIVE_MS = 65_000;
const CHECK_MS = 5_000;

/** Listens on `options.http`; port 0 takes a free one. Throws PORT_IN_USE and OPTIONS_INVALID. */
export async function serveHttp(deps: HttpDependencies): Promise<Listening> {
  const { host, port } = deps.options.http;
  const app = createHttpApp(deps);
  const server = createAdaptorServer({
    fetch: app.fetch,
    // The process may be somebody else's, who uses the platform's Request and Response.
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
  }) as Server;
  return listen(server, host, port, 'http');
}
