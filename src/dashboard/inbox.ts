/** Dead letters and quarantined keys with their reasons and, where the node allows it, what can be done about them. */
import { ask, change, Refusal } from './api.js';
import { byId, make, redraw, setText } from './dom.js';
import { count, date } from './format.js';
import { openKey } from './lookup.js';

interface Letter {
  readonly partition: number;
  readonly sequence: number;
  readonly key: string | null;
  readonly id: string | null;
  readonly code: string;
  readonly problems: readonly string[];
  readonly body: string;
  readonly encoding: string;
}

interface Quarantined {
  readonly partition: number;
  readonly key: string;
  readonly code: string;
  readonly problems: readonly string[];
  readonly sequence: number;
  readonly since: number;
  readonly parked: number;
}

const SHOWN_MAX = 50;
const BODY_MAX = 2_000;
/** So long a second press means yes. */
const SURE_MS = 4_000;

/** Asks for both lists and shows them. Nothing is thrown; a refusal is shown. */
export async function refreshInbox(actions: boolean): Promise<void> {
  try {
    const [letters, keys] = await Promise.all([
      ask<{ deadLetters: readonly Letter[]; next: unknown }>(`/v1/dead-letters?limit=${SHOWN_MAX}`),
      ask<{ quarantined: readonly Quarantined[]; total: number }>(`/v1/quarantine?limit=${SHOWN_MAX}`),
    ]);
    const { deadLetters, next } = letters;
    const more = next === null ? '' : ' or more';
    setText(
      byId('inbox-note'),
      `dead letters: ${count(deadLetters.length)}${more}, quarantined keys: ${count(keys.total)}${actions ? '' : '; read-only'}`,
    );
    redraw(byId('inbox'), [deadLetters, keys.quarantined, actions], () => [
      ...keys.quarantined.map((one) => keyItem(one, actions)),
      ...deadLetters.map((one) => letterItem(one, actions)),
      ...(deadLetters.length + keys.total === 0
        ? [make('p', { class: 'quiet empty' }, 'Nothing. Every event was applied, is on its way, or was a repeat.')]
        : []),
    ]);
  } catch (error) {
    complain(error);
  }
}

function keyItem(
  { key, partition, code, problems, since, parked, sequence }: Quarantined,
  actions: boolean,
): HTMLElement {
  const path = `/v1/quarantine/${encodeURIComponent(key)}?partition=${partition}`;
  return item(
    make('span', { class: 'tag parked' }, 'quarantined'),
    key,
    `${code}: ${problems.join('; ')}`,
    `partition ${partition}, since ${date(since)}, event ${count(sequence)}, ${count(parked)} events parked`,
    make('button', { class: 'plain', onclick: () => openKey(key) }, 'Show key'),
    ...(actions ? [action('Release', path, 'release'), action('Skip', path, 'skip')] : []),
  );
}

function letterItem(letter: Letter, actions: boolean): HTMLElement {
  const { partition, sequence, key, id, code, problems, body, encoding } = letter;
  const path = `/v1/dead-letters/${partition}/${sequence}`;
  return item(
    make('span', { class: 'tag dead' }, 'dead letter'),
    key ?? 'no key',
    `${code}: ${problems.join('; ')}`,
    `partition ${partition}, sequence ${count(sequence)}${id === null ? '' : `, id ${id}`}`,
    make(
      'details',
      {},
      make('summary', {}, encoding === 'base64' ? 'Bytes, base64' : 'Body'),
      make('pre', { attributes: { tabindex: '0' } }, body.slice(0, BODY_MAX) + (body.length > BODY_MAX ? ' …' : '')),
    ),
    ...(actions ? [action('Replay', path, 'replay'), action('Skip', path, 'skip')] : []),
  );
}

function item(tag: Node, name: string, reason: string, place: string, ...rest: readonly Node[]): HTMLElement {
  return make(
    'article',
    { class: 'item' },
    make('p', {}, tag, ' ', make('strong', {}, name)),
    make('p', {}, reason),
    make('p', { class: 'quiet' }, place),
    make('div', { class: 'line' }, ...rest),
  );
}

/** A button that asks once more: what it does cannot be taken back. */
function action(name: string, path: string, kind: string): HTMLElement {
  let sureUntil = 0;
  const button = make('button', { class: 'action', onclick: () => press() }, name);
  const calm = (): void => {
    if (Date.now() >= sureUntil) setText(button, name);
  };
  const press = (): void => {
    if (Date.now() > sureUntil) {
      sureUntil = Date.now() + SURE_MS;
      setText(button, `${name}: sure?`);
      setTimeout(calm, SURE_MS);
      return;
    }
    button.disabled = true;
    setText(byId('inbox-problem'), '');
    change(path, { action: kind })
      .catch(complain)
      .finally(() => {
        button.disabled = false;
        sureUntil = 0;
        setText(button, name);
        void refreshInbox(true);
      });
  };
  return button;
}

function complain(error: unknown): void {
  if (error instanceof Refusal && (error.status === 401 || error.status === 0)) return; // said at the top
  const { message, next } = error instanceof Refusal ? error : { message: String(error), next: '' };
  setText(byId('inbox-problem'), `${message} → ${next}`);
}
