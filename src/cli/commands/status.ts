/** `millrace status`: what a running node says of itself. */
import type { Command } from 'commander';
import { type ErrorCode, errorTable, MillraceError, messageOf } from '../../errors.js';
import type { StatusView } from '../../http/status-view.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { statusSummary } from '../status-summary.js';

interface Flags {
  readonly url?: string;
  readonly json?: boolean;
}

const ANSWER_MS_MAX = 5_000;

export function addStatus(program: Command, { terminal, end }: CommandHost): void {
  const command = program
    .command('status')
    .description('Show how a node is doing; exit code 1 if a partition stands still or the node is not running.')
    .option('--url <url>', 'HTTP address of the node (env: MILLRACE_URL; default: from http.host and http.port)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ millrace status --url http://127.0.0.1:4480\n');
  addOptions(command, ['http']).action(async (flags: Flags, self: Command) => {
    const { http } = loadOptions(self, terminal).options;
    const url = flags.url ?? (terminal.env.MILLRACE_URL || `http://${hostOf(http.host)}:${http.port}`);
    const status = await askStatus(url, http.token);
    terminal.out(flags.json === true ? JSON.stringify(status) : statusSummary(status, Date.now()));
    const isFine = status.phase === 'running' && status.phases.halted === undefined;
    end(isFine ? exitCode.ok : exitCode.finding);
  });
}

function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

async function askStatus(base: string, token: string | undefined): Promise<StatusView> {
  const url = statusUrl(base);
  let response: Response;
  let text: string;
  try {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    response = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    text = await response.text();
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
    throw new MillraceError('NODE_UNREACHABLE', `no node answers at ${url}: ${messageOf(reason)}`, { cause });
  }
  const body = parsed(text);
  if (response.ok && isStatus(body)) return body;
  const { code, message } = (body as { error?: { code?: string; message?: string } } | undefined)?.error ?? {};
  if (code !== undefined && Object.hasOwn(errorTable, code))
    throw new MillraceError(code as ErrorCode, `${url}: ${message}`);
  throw new MillraceError('NODE_UNREACHABLE', `${url} answers ${response.status}, and not as a node of Millrace does`);
}

function statusUrl(base: string): URL {
  try {
    return new URL('/v1/status', base.includes('://') ? base : `http://${base}`);
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

function isStatus(body: unknown): body is StatusView {
  return typeof body === 'object' && body !== null && 'phases' in body && 'partitions' in body;
}
