/** Who may ask, and what browsers are told. There is no cross-origin access: no such header is ever sent. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MillraceError } from '../errors.js';

/** Sent with every answer. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

export type AccessCheck = (request: Request) => void;

/**
 * Checks a request; throws FORBIDDEN. With a token, every request must carry it. Without one, the server listens on
 * loopback, and requests must name it so: a web page elsewhere whose name was made to lead here would otherwise be
 * of the same origin (DNS rebinding).
 */
export function accessCheck(token: string | undefined): AccessCheck {
  if (token === undefined) return checkHost;
  const wanted = digest(token);
  return ({ headers }) => {
    const given = /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '')?.[1];
    // Digests have one length, so the comparison says nothing about the token, not even how long it is.
    if (given === undefined || !timingSafeEqual(digest(given), wanted))
      throw new MillraceError('FORBIDDEN', 'the request must carry the header `Authorization: Bearer <token>`');
  };
}

function checkHost({ url }: Request): void {
  const { hostname } = new URL(url);
  if (/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)) return;
  throw new MillraceError(
    'FORBIDDEN',
    `without http.token only a loopback name is answered, not ${JSON.stringify(hostname.slice(0, 100))}`,
  );
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
