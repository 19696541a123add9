/** Asks a running node over HTTP: where it is, with its token, and what its errors mean here. */
import type { Command } from 'commander';
import { type ErrorCode, errorTable, MillraceError, messageOf } from '../errors.js';
import type { Options } from '../options/types.js';

export interface NodeAddress {
  readonly url: string;
  readonly token: string | undefined;
}

export interface NodeAnswer<T> {
  readonly status: number;
  readonly body: T;
}

export interface AskOptions {
  /** Sent as JSON with POST. */
  readonly change?: object;
  /** Statuses besides 2xx whose body is an answer, if it has this field. */
  readonly answers?: { readonly status: number; readonly field: string };
  /** How long the node was asked to wait, ms. */
  readonly waitMs?: number;
  /** Gives the question up. */
  readonly signal?: AbortSignal;
}

/** A node gives a partition 5 s to answer and 30 s to store a change; its own answer says more than ours would. */
const ANSWER_MS_MAX = 10_000;
const CHANGE_MS_MAX = 40_000;

/** Adds `--url`. */
export function addUrl(command: Command): Command {
  const doc = 'HTTP address of the node (env: MILLRACE_URL; default: from http.host and http.port)';
  return command.option('--url <url>', doc);
}

/** Where the node is: `--url`, `MILLRACE_URL`, or what the options of the node itself say. */
export function addressOf(
  flags: { readonly url?: string },
  { http }: Pick<Options, 'http'>,
  env: NodeJS.ProcessEnv,
): NodeAddress {
  const url = flags.url ?? (env.MILLRACE_URL || `http://${hostOf(http.host)}:${http.port}`);
  return { url, token: http.token };
}

/**
 * Asks, or changes something. Throws what the node answers as its error, NODE_UNREACHABLE where none answers, and
 * OPTIONS_INVALID for an address that is none.
 */
export async function askNode<T>(address: NodeAddress, path: string, options: AskOptions = {}): Promise<NodeAnswer<T>> {
  const url = urlOf(address.url, path);
  const { change, answers, waitMs = 0, signal: given } = options;
  const headers: Record<string, string> = {};
  if (address.token !== undefined) headers.authorization = `Bearer ${address.token}`;
  if (change !== undefined) headers['content-type'] = 'application/json';
  const method = change === undefined ? {} : { method: 'POST', body: JSON.stringify(change) };
  const timeout = AbortSignal.timeout((change === undefined ? ANSWER_MS_MAX : CHANGE_MS_MAX) + waitMs);
  const signal = given === undefined ? timeout : AbortSignal.any([timeout, given]);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { headers, signal, ...method });
    text = await response.text();
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
    throw new MillraceError('NODE_UNREACHABLE', `no node answers at ${url.origin}: ${messageOf(reason)}`, { cause });
  }
  const body = parsed(text);
  const { status } = response;
  if (isObject(body) && (response.ok || (status === answers?.status && answers.field in body)))
    return { status, body: body as T };
  throw errorOf(url, status, body);
}

function errorOf(url: URL, status: number, body: unknown): MillraceError {
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  const { code, message, problems } = error as { code?: string; message?: string; problems?: string[] };
  if (code !== undefined && Object.hasOwn(errorTable, code))
    return new MillraceError(code as ErrorCode, `${url.origin}: ${message}`, { problems: listed(message, problems) });
  return new MillraceError(
    'NODE_UNREACHABLE',
    `${url.origin}${url.pathname} answers ${status}, and not as a node of Millrace does`,
  );
}

/** A node repeats the message where there is nothing else to list. */
function listed(message: string | undefined, problems: readonly string[] = []): readonly string[] {
  return problems.length === 1 && problems[0] === message ? [] : problems;
}

function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function urlOf(base: string, path: string): URL {
  try {
    return new URL(path, base.includes('://') ? base : `http://${base}`);
  } catch (cause) {
    throw new MillraceError('OPTIONS_INVALID', `--url ${JSON.stringify(base)} is no address of a node`, { cause });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
