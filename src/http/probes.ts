/**
 * Probes and metrics on their own port, with nothing but Node's server, so that they answer while everything else
 * still starts and without a token. They tell phases and error codes, never keys or payloads.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { codeOf, messageOf } from '../errors.js';
import type { LogLine } from '../ports/log.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { Verdict } from './health.js';
import { Liveness, readiness, startup } from './health.js';
import type { Listening } from './listen.js';
import { listen } from './listen.js';

/** Where the text of `/metrics` comes from. */
interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface ProbesOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** See LagBound. */
  readonly lagMaxMs: number;
  /** Undefined until there is a node. */
  readonly status: () => NodeStatus | undefined;
  readonly metrics: MetricsSource;
  /** Monotonic time, ms; the process's by default. */
  readonly elapsed?: (() => number) | undefined;
  readonly line: LogLine;
}

export interface Probes extends Listening {
  /** From now on the node is not ready: whoever sends it work should stop. */
  setDraining(): void;
}

const REQUEST_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 65_000;
const HEADER_BYTES_MAX = 8_192;

/** Listens for `/livez`, `/readyz`, `/startupz` and `/metrics`. Throws PORT_IN_USE and OPTIONS_INVALID. */
export async function serveProbes(options: ProbesOptions): Promise<Probes> {
  const { host, port, lagMaxMs, status, metrics, line } = options;
  const liveness = new Liveness(options.elapsed ?? (() => performance.now()));
  let isDraining = false;
  const verdicts: Readonly<Record<string, () => Verdict>> = {
    '/livez': () => liveness.check(status()),
    '/readyz': () => readiness(status(), isDraining, { lagMaxMs, now: Date.now() }),
    '/startupz': () => startup(status()),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').replace(/\?.*$/s, '');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendJson(response, 405, { reasons: ['GET only'] });
    if (path === '/metrics') return send(response, 200, metrics.contentType, await metrics.text());
    const verdict = Object.hasOwn(verdicts, path) ? verdicts[path]?.() : undefined;
    if (verdict === undefined) return sendJson(response, 404, { reasons: ['/livez, /readyz, /startupz or /metrics'] });
    sendJson(response, verdict.reasons.length === 0 ? 200 : 503, { ok: verdict.reasons.length === 0, ...verdict });
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      answer(request, response).catch((error: unknown) => {
        line('error', 'http.failed', { request: request.url, code: codeOf(error), error: messageOf(error) });
        sendJson(response, 500, { reasons: ['an internal error'] });
      });
    },
  );
  const listening = await listen(server, host, port, 'probes');
  return {
    ...listening,
    setDraining: () => {
      isDraining = true;
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}
