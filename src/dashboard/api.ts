/** Questions to the node that served this page. The token stays in this tab's storage. */

const TOKEN = 'millrace-token';
const ANSWER_MS_MAX = 10_000;
const CHANGE_MS_MAX = 40_000;

/** The node refused, or nobody answered (status 0). */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly next: string;

  constructor(status: number, code: string, message: string, next: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.next = next;
  }
}

export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN),
  set: (value: string): void => sessionStorage.setItem(TOKEN, value),
  clear: (): void => sessionStorage.removeItem(TOKEN),
};

/** Throws Refusal. `field`: an answer that has it is one, whatever its status. */
export function ask<T>(path: string, field?: string): Promise<T> {
  return send(path, { signal: AbortSignal.timeout(ANSWER_MS_MAX) }, field);
}

/** Has something changed. Throws Refusal. */
export function change<T>(path: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(CHANGE_MS_MAX);
  return send(path, { method: 'POST', headers, body: JSON.stringify(body), signal });
}

async function send<T>(path: string, init: RequestInit, field?: string): Promise<T> {
  const given = token.get();
  const headers = { ...(init.headers as Record<string, string>), ...(given && { authorization: `Bearer ${given}` }) };
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, headers });
    body = await response.json();
  } catch {
    throw new Refusal(0, 'NODE_UNREACHABLE', 'the node does not answer', 'The page tries again every second.');
  }
  const answer = body as { error?: { code?: string; message?: string; next?: string } };
  if (response.ok || (field !== undefined && field in answer)) return body as T;
  const { code = 'BUG', message = `status ${response.status}`, next = '' } = answer.error ?? {};
  throw new Refusal(response.status, code, message, next);
}
