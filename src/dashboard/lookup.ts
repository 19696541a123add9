/** Where a key stands, and why an event was or was not applied. */
import type { KeyView } from '../http/live-types.js';
import { ask, Refusal } from './api.js';
import { byId, facts, make } from './dom.js';
import { count, date, duration } from './format.js';

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

export function startLookup(): void {
  onSubmit('key', async (key) => keyParts(await ask<KeyView>(`/v1/keys/${encodeURIComponent(key)}`)));
  onSubmit('event', async (id) =>
    eventParts(id, await ask<EventView>(`/v1/events/${encodeURIComponent(id)}`, 'decisions')),
  );
  for (const link of ['hashchange', 'load']) addEventListener(link, openLink);
}

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

function onSubmit(name: 'key' | 'event', look: (text: string) => Promise<Node[]>): void {
  byId(`${name}-form`).addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = byId<HTMLInputElement>(name);
    const turn = ++asked;
    const found = byId('found');
    found.setAttribute('aria-busy', 'true');
    look(value)
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

function keyParts(view: KeyView): Node[] {
  const { key, last, position, quarantine, waiting, notes } = view;
  const rows: [string, string][] = [
    ['partition', `${view.partition}, owned by ${view.owner ?? 'a node that is not known here'}`],
    ['applied', `${count(view.applied)} events`],
    ['last event', last === null ? 'none' : `${last.id}, sequence ${count(last.sequence)}, ${date(last.time)}`],
  ];
  if (position !== null)
    rows.push([
      'position',
      `${position.stream} up to ${count(position.floor)}, checkpoint ${count(position.checkpoint)}`,
    ]);
  if (view.checkpointAgeMs !== null) rows.push(['as of', `${duration(view.checkpointAgeMs)} ago`]);
  return [
    make('h3', {}, key),
    ...view.problems.map((text) => make('p', { class: 'problem' }, text)),
    ...(quarantine === null
      ? []
      : [make('p', { class: 'fault' }, `Quarantined: ${quarantine.code}: ${quarantine.problems.join('; ')}`)]),
    view.applied === 0
      ? make('p', { class: 'quiet' }, 'No event of this key was applied.')
      : make('pre', { id: 'state', attributes: { tabindex: '0' } }, JSON.stringify(view.state, undefined, 2)),
    facts(rows),
    list(
      `Waiting (${count(view.waitingCount)})`,
      waiting.map(({ id, sequence, time, reason }) => `${id} at ${count(sequence)}, ${date(time)}: ${reason}`),
    ),
    list(
      'Not simply applied, newest first',
      notes.map(
        ({ id, streamSequence, decision, detail }) => `${decision} ${id} at ${count(streamSequence)}: ${detail}`,
      ),
    ),
  ];
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
