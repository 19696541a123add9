/** Kinds for where the parts of an event come from. The notation is the core's; see `parsePlace`. */
import type { EventPart, Place } from '../core/event/event-format.js';
import { parsePlace } from '../core/event/event-format.js';
import type { Kind } from './kind.js';
import { accept, refuse } from './kind.js';

/** Where an event's partition comes from: the hash of its key, or a subject token that already is the number. */
export type PartitionPlace = { readonly kind: 'key' } | { readonly kind: 'token'; readonly index: number };

/** One example of every notation; which of them a part may use, the core knows. */
const notations = ['auto', 'subject:2', 'header:NAME', 'json:/pointer', 'body', 'content:/pointer,/pointer'];

/** A place of one part, as in `subject:2`, `header:Order-Id` or `json:/order/id`. */
export function place(part: EventPart): Kind<string, Place> {
  return {
    suffix: '',
    placeholder: 'place',
    allowed: notations
      .filter((text) => typeof parsePlace(part, text) !== 'string')
      .map((text) => `\`${text}\``)
      .join(', '),
    schema: { type: 'string' },
    read(raw) {
      if (typeof raw !== 'string') return refuse('must be a place such as subject:2, header:NAME or json:/pointer');
      const found = parsePlace(part, raw);
      return typeof found === 'string' ? refuse(found) : accept(found);
    },
    print: printPlace,
  };
}

/** A place as it is written in the options. */
function printPlace(place: Place): string {
  switch (place.kind) {
    case 'auto':
      return 'auto';
    case 'token':
      return `subject:${place.index}`;
    case 'header':
      return `header:${place.name}`;
    case 'pointer':
      return place.path.length === 0 ? 'body' : `json:${printPointer(place.path)}`;
    case 'content':
      return `content:${place.paths.map(printPointer).join(',')}`;
  }
}

function printPointer(path: readonly string[]): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

export const partitionPlace: Kind<string, PartitionPlace> = {
  suffix: '',
  placeholder: 'place',
  allowed: '`key`, `subject:N`',
  schema: { type: 'string', pattern: '^(key|subject:[1-9]\\d?)$' },
  read(raw) {
    if (raw === 'key') return accept({ kind: 'key' });
    const token = typeof raw === 'string' ? /^subject:([1-9]\d?)$/.exec(raw) : null;
    return token === null ? refuse('must be key, or subject:N') : accept({ kind: 'token', index: Number(token[1]) });
  },
  print: (value) => (value.kind === 'key' ? 'key' : `subject:${value.index}`),
};
