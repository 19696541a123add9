/** What web pages may do here: look. Changes from a browser need `http.actions`, whoever holds the token. */
import { MillraceError } from '../errors.js';

/**
 * Throws READ_ONLY for a request that changes something, comes from a page, and may not. Browsers always send one of
 * these headers with such a request, and no page can take them off; a command line sends neither.
 */
export function checkBrowserChange({ method, headers }: Request, isAllowed: boolean): void {
  if (isAllowed || method !== 'POST') return;
  if (headers.get('origin') === null && headers.get('sec-fetch-site') === null) return;
  throw new MillraceError('READ_ONLY', 'the dashboard of this node only shows: http.actions is off');
}
