/** Where a key stands, and why an event was or was not applied. */
import type { KeyView } from '../http/live-types.js';
import { ask, Refusal } from './api.js';
import { byId, facts, make, redraw } from './dom.js';
import { count, date, duration } from './format.js';
import { isElsewhere, nodeLink } from './owners.js';

/** The part of the answer of `GET /v1/events/{id}` that is shown. */
interface EventView {
  readonly decisions: readonly {
    readonly partition: number;
    readonly decision: string;
    readonly sequence: number;
    readonly summary: string;
    readonly notes: readonly { readonly sequence: number; readonly decision: string; readonly detail: string }[];
  }[];
  readonly error?: { readonly message: string };
}

let asked = 0;
/** The key that is shown, if one is: it is looked up again from time to time. */
let shownKey: { readonly key: string; readonly turn: number; readonly place: KeyPlace } | undefined;

export function startLookup(): void {
  onSubmit('key', async (key, turn) => {
    const view = await lookUp(key);
    const place = new KeyPlace();
    place.show(view);
    shownKey = { key, turn, place };
    return place.parts;
  });
  onSubmit('event', async (id) =>
    eventParts(id, await ask<EventView>(`/v1/events/${encodeURIComponent(id)}`, 'decisions')),
  );
  for (const link of ['hashchange', 'load']) addEventListener(link, openLink);
}

/** Shows how the key stands by now. A refusal is not shown: what is there stays, and the page says that it asks again. */
export async function refreshKey(): Promise<void> {
  if (shownKey === undefined || shownKey.turn !== asked) return;
  const { key, turn, place } = shownKey;
  try {
    const view = await lookUp(key);
    if (turn !== asked) return;
    // What nobody asked for is not read out.
    byId('found').setAttribute('aria-live', 'off');
    place.show(view);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

const lookUp = (key: string): Promise<KeyView> => ask<KeyView>(`/v1/keys/${encodeURIComponent(key)}`);

/** Shows a key as if it had been typed; the address then leads to it. */
export function openKey(key: string): void {
  location.hash = `key=${encodeURIComponent(key)}`;
}

function openLink(): void {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return;
  byId<HTMLInputElement>('key').value = key;
  byId<HTMLFormElement>('key-form').requestSubmit();
}

function onSubmit(name: 'key' | 'event', look: (text: string, turn: number) => Promise<readonly Node[]>): void {
  byId(`${name}-form`).addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = byId<HTMLInputElement>(name);
    const turn = ++asked;
    const found = byId('found');
    found.setAttribute('aria-busy', 'true');
    found.setAttribute('aria-live', 'polite');
    look(value, turn)
      .catch((error: unknown) => [problem(error)])
      .then((parts) => {
        if (turn !== asked) return; // an answer that was overtaken
        found.removeAttribute('aria-busy');
        found.replaceChildren(...parts);
      });
  });
}

function problem(error: unknown): Node {
  const { message, next } = error instanceof Refusal ? error : { message: String(error), next: '' };
  return make('p', { class: 'problem' }, `${message} ${next === '' ? '' : `→ ${next}`}`);
}

/** Where a key is shown, in parts that change apart: what somebody reads or copies stays while another part moves. */
class KeyPlace {
  readonly #state = make('div');
  readonly #facts = make('div');
  readonly #waiting = make('div');
  readonly #notes = make('div');
  readonly parts: readonly Node[] = [this.#state, this.#facts, this.#waiting, this.#notes];

  show(view: KeyView): void {
    const { key, owner, problems, quarantine, applied, state, waiting, waitingCount, notes } = view;
    redraw(this.#state, [key, owner, problems, quarantine, applied === 0, state], () => [
      make('h3', {}, key),
      ...problems.map((text) => make('p', { class: isElsewhere(owner) ? 'quiet' : 'problem' }, text)),
      ...(quarantine === null
        ? []
        : [make('p', { class: 'fault' }, `Quarantined: ${quarantine.code}: ${quarantine.problems.join('; ')}`)]),
      applied === 0
        ? make('p', { class: 'quiet' }, 'No event of this key was applied yet.')
        : make('pre', { id: 'state', attributes: { tabindex: '0' } }, JSON.stringify(state, undefined, 2)),
      isElsewhere(owner)
        ? make('p', {}, 'What waits, and why: ask ', nodeLink(owner, `#key=${encodeURIComponent(key)}`))
        : null,
    ]);
    const rows = factsOf(view);
    redraw(this.#facts, rows, () => [facts(rows)]);
    redraw(this.#waiting, [waitingCount, waiting], () => [
      list(
        `Waiting (${count(waitingCount)})`,
        waiting.map(({ id, sequence, time, reason }) => `${id} at ${count(sequence)}, ${date(time)}: ${reason}`),
      ),
    ]);
    redraw(this.#notes, notes, () => [
      list(
        'Not simply applied, newest first',
        notes.map(
          ({ id, streamSequence, decision, detail }) => `${decision} ${id} at ${count(streamSequence)}: ${detail}`,
        ),
      ),
    ]);
  }
}

function factsOf({ partition, owner, applied, last, position, checkpointAgeMs }: KeyView): [string, string][] {
  const rows: [string, string][] = [
    ['partition', `${partition}, owned by ${owner ?? 'a node that is not known here'}`],
    ['applied', `${count(applied)} events`],
    ['last event', last === null ? 'none' : `${last.id}, sequence ${count(last.sequence)}, ${date(last.time)}`],
  ];
  if (position !== null)
    rows.push([
      'position',
      `${position.stream} up to ${count(position.floor)}, checkpoint ${count(position.checkpoint)}`,
    ]);
  if (checkpointAgeMs !== null) rows.push(['as of', `${duration(checkpointAgeMs)} ago`]);
  return rows;
}

function list(title: string, lines: readonly string[]): Node {
  if (lines.length === 0) return make('p', { class: 'quiet' }, `${title}: none`);
  return make('div', {}, make('h4', {}, title), make('ul', {}, ...lines.map((line) => make('li', {}, line))));
}

function eventParts(id: string, { decisions, error }: EventView): Node[] {
  return [
    make('h3', {}, id),
    ...(decisions.length === 0 ? [make('p', { class: 'quiet' }, error?.message ?? 'nothing is known of it')] : []),
    ...decisions.map(({ partition, decision, summary, notes }) =>
      make(
        'div',
        { class: 'decision' },
        make('p', {}, make('span', { class: `tag ${decision}` }, decision), ` partition ${partition}: ${summary}`),
        make(
          'ul',
          {},
          ...notes.map((note) => make('li', {}, `${note.decision} at ${count(note.sequence)}: ${note.detail}`)),
        ),
      ),
    ),
  ];
}
