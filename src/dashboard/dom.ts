/** Elements of the page. Text only ever becomes text: keys, ids and payloads come from strangers. */

export type Child = Node | string | null | undefined;

export interface Properties {
  readonly class?: string;
  readonly title?: string;
  readonly id?: string;
  readonly onclick?: (event: MouseEvent) => void;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A new element with these children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (element instanceof HTMLButtonElement) element.type = 'button';
  if (properties.class !== undefined) element.className = properties.class;
  if (properties.title !== undefined) element.title = properties.title;
  if (properties.id !== undefined) element.id = properties.id;
  if (properties.onclick !== undefined) element.addEventListener('click', properties.onclick as EventListener);
  for (const [name, value] of Object.entries(properties.attributes ?? {})) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of the page with this id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element ${id}`);
  return element as T;
}

/** Sets text only where it differs: what is selected or read aloud stays as it is. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Name and value pairs as a list. */
export function facts(rows: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  return make(
    'dl',
    { class: 'facts' },
    ...rows.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))),
  );
}

/** Takes the place of the children, unless what they show has not changed. */
export function redraw(place: HTMLElement, shown: unknown, draw: () => readonly Child[]): void {
  const text = JSON.stringify(shown);
  if (drawn.get(place) === text) return;
  drawn.set(place, text);
  place.replaceChildren(...draw().filter((child) => child !== null && child !== undefined));
}

const drawn = new WeakMap<HTMLElement, string>();
