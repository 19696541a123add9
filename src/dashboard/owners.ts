/** The nodes of the application: which partitions each has, and the way to its own page. */
import type { LiveView } from '../http/live-types.js';
import { byId, type Child, make, redraw } from './dom.js';
import { ranges } from './format.js';

let own = '';
let pages = new Map<string, string>();

export function showOwners({ node, partitions, members }: LiveView): void {
  own = node.name;
  pages = new Map(members.flatMap(({ name, url }) => (url?.startsWith('http') ? [[name, url] as const] : [])));
  const owned = new Map<string, number[]>();
  for (const { owner, partition } of partitions) owned.set(owner, [...(owned.get(owner) ?? []), partition]);
  const shown = [...owned].map(([owner, numbers]) => [owner, ranges(numbers)] as const);
  const isAlone = shown.length === 1 && shown[0]![0] === own;
  byId('owners').hidden = isAlone;
  redraw(byId('owners'), [shown, [...pages]], () =>
    isAlone ? [] : shown.map(([owner, numbers]) => make('li', {}, `${numbers} `, nodeLink(owner))),
  );
}

/** The name of a node, leading to what it shows itself; this one's is marked. */
export function nodeLink(name: string, hash = ''): Child {
  if (name === own) return make('strong', {}, name);
  const page = pages.get(name);
  return page === undefined ? name : make('a', { attributes: { href: `${page}/${hash}` } }, name);
}

/** Whether another node, whose page is known, is to be asked. */
export function isElsewhere(name: string | null): name is string {
  return name !== null && name !== own && pages.has(name);
}
