/** What happened to the node, newest first. */
import type { LiveEntry } from '../http/live-types.js';
import { byId, make } from './dom.js';
import { clock, date } from './format.js';

const SHOWN_MAX = 300;

let last = 0;

/** Id of the newest entry that is here. */
export function lastEntry(): number {
  return last;
}

export function showEntries(added: readonly LiveEntry[]): void {
  if (added.length === 0) return;
  const list = byId('timeline');
  if (added[0]!.id <= last) list.replaceChildren(); // the node was started anew
  last = added.at(-1)!.id;
  list.prepend(...added.map(entry).reverse());
  while (list.childElementCount > SHOWN_MAX) list.lastElementChild!.remove();
}

function entry({ at, level, event, text, fields }: LiveEntry): HTMLElement {
  const details = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return make(
    'li',
    { class: level },
    make('time', { title: date(at), attributes: { datetime: date(at) } }, clock(at)),
    make(
      'div',
      {},
      make('p', {}, make('code', {}, event), ` ${text}`),
      details.length === 0 ? null : make('p', { class: 'quiet' }, details.join(' · ')),
    ),
  );
}
