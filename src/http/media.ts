/** What a request to publish says that its body is. */

/** `binary` is a CloudEvent whose attributes are headers and whose body is its data. */
export type Media = 'json' | 'lines' | 'cloudevent' | 'cloudevents' | 'binary';

const mediaOfType: Readonly<Record<string, Media>> = {
  'application/json': 'json',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/cloudevents+json': 'cloudevent',
  'application/cloudevents-batch+json': 'cloudevents',
};

const ACCEPTED = Object.keys(mediaOfType).join(', ');

/** The kind of body, or a phrase that says why it is none that can be read. */
export function mediaOf(headers: Headers): { readonly media: Media } | { readonly problem: string } {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') return { problem: 'the body must not be compressed' };
  const header = headers.get('content-type');
  const [type = '', ...parameters] = (header ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !/^"?(?:utf-8|utf8|us-ascii)"?$/.test(charset))
    return { problem: 'the body must be UTF-8' };
  const media = Object.hasOwn(mediaOfType, type) ? mediaOfType[type] : undefined;
  if (headers.has('ce-specversion') && (media === undefined || media === 'json'))
    return header === null || /^[^/]+\/(?:[^/]+\+)?json$/.test(type)
      ? { media: 'binary' }
      : { problem: 'the data of a CloudEvent must be JSON' };
  if (media !== undefined) return { media };
  const found =
    header === null ? 'there is no content type' : `the content type is ${JSON.stringify(type.slice(0, 100))}`;
  return { problem: `${found}; it must be one of ${ACCEPTED}` };
}
