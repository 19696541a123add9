/** What happened to the node, newest first; what happened to many partitions at once is one entry. */
import type { LiveEntry } from '../http/live-types.js';
import { byId, make } from './dom.js';
import { clock, date, ranges } from './format.js';

const SHOWN_MAX = 300;
/** So close to each other, entries about partitions are one. */
const TOGETHER_MS = 2_000;

let last = 0;
/** The entries of the newest item of the list. */
let newest: LiveEntry[] = [];

/** Id of the newest entry that is here. */
export function lastEntry(): number {
  return last;
}

export function showEntries(added: readonly LiveEntry[]): void {
  if (added.length === 0) return;
  const list = byId('timeline');
  if (added[0]!.id <= last) {
    list.replaceChildren(); // the node was started anew
    newest = [];
  }
  last = added.at(-1)!.id;
  for (const entry of added) {
    if (belongsTo(entry, newest.at(-1))) list.firstElementChild!.remove();
    else newest = [];
    newest.push(entry);
    list.prepend(item(newest));
  }
  while (list.childElementCount > SHOWN_MAX) list.lastElementChild!.remove();
}

function belongsTo(entry: LiveEntry, before: LiveEntry | undefined): boolean {
  if (before === undefined || entry.at - before.at > TOGETHER_MS) return false;
  return (
    entry.event === before.event &&
    entry.fields.partition !== undefined &&
    entry.fields.partition !== before.fields.partition &&
    entry.fields.code === before.fields.code
  );
}

function item(entries: readonly LiveEntry[]): HTMLElement {
  const { at, level, event, text } = entries.at(-1)!;
  const details = detailsOf(entries);
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

/** Fields with one value; the partitions all. */
function detailsOf(entries: readonly LiveEntry[]): string[] {
  const [{ fields }] = entries as readonly [LiveEntry];
  const numbers = [...new Set(entries.map((entry) => Number(entry.fields.partition)))].sort((a, b) => a - b);
  return Object.entries(fields).flatMap(([name, value]) => {
    if (name === 'partition' && numbers.length > 1) return [`partitions ${ranges(numbers)}`];
    return entries.every((entry) => entry.fields[name] === value) ? [`${name} ${value}`] : [];
  });
}
