/** Text without the credentials of the URLs in it, for everything that leaves the process as a log line or an answer. */

/**
 * `text` with `***` for what stands between `://` and an `@`, and for the values of query parameters that carry
 * secrets. Errs on the side of hiding: a password may hold `/` and `@`, so the last `@` of the word counts. Text
 * without `://`, such as an address `user@host` used as a key, stays as it is.
 */
export function redactCredentials(text: string): string {
  if (!text.includes('://')) return text;
  return text
    .replaceAll(/:\/\/(?:(?!:\/\/)\S)*@/g, '://***@')
    .replaceAll(/([?&](?:user|username|pass|password|token|secret|auth)=)[^&,\s]*/gi, '$1***');
}
