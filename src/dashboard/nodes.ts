/** The node behind this page, its threads, and the figures at the top. */
import type { LiveView } from '../http/live-types.js';
import { lastOf, ratesOf } from './charts.js';
import { byId, type Child, facts, make, redraw } from './dom.js';
import { bytes, clock, compact, count, duration, ranges } from './format.js';
import { nodeLink } from './owners.js';

export function showNode(view: LiveView): void {
  const { node, threads, app, members } = view;
  const { name, phase, streams } = node;
  redraw(byId('where'), [name, phase, app], () => [
    make('strong', {}, app),
    ` on ${name} `,
    make('span', { class: `phase ${phase}` }, phase),
  ]);
  document.title = `${titleMark(view)}${app} · Millrace`;
  const about: [string, string][] = [
    ...streams.map(({ stream, first, last }): [string, string] => [
      'stream',
      `${stream}, ${count(first)} to ${count(last)}`,
    ]),
    ['events read', count(node.eventsRead)],
    ['under way', bytes(node.inFlightBytes)],
    ['thread restarts', `${node.threadRestarts} in the last minute`],
  ];
  const rows = threads.map(({ slot, partitions, heapBytes, commits, commitMs, handlerMs }) => [
    String(slot),
    String(partitions),
    bytes(heapBytes),
    count(commits),
    commitMs === null ? '–' : duration(commitMs),
    handlerMs === null ? '–' : `< ${duration(handlerMs)}`,
  ]);
  const heads = ['thread', 'partitions', 'heap', 'checkpoints', 'mean', 'handler 99 %'];
  const hot = threads
    .flatMap(({ hotKeys }) => hotKeys)
    .sort((a, b) => b.share - a.share)
    .slice(0, 5);
  const busiest = hot.map(({ key, partition, share }) => [key, String(partition), `${Math.round(share * 100)} %`]);
  const others = members.map((one) => [one.name, one.phase, String(one.partitions), clock(one.since)]);
  redraw(byId('nodes'), [about, rows, busiest, others], () => [
    facts(about),
    ...(others.length === 0
      ? []
      : [
          table(
            ['node', 'phase', 'partitions', 'since'],
            others.map(([name, ...rest]) => [nodeLink(name!), ...rest]),
          ),
        ]),
    table(heads, rows),
    ...(busiest.length === 0 ? [] : [table(['busiest keys', 'partition', 'share of its thread'], busiest)]),
  ]);
}

function table(heads: readonly string[], rows: readonly (readonly Child[])[]): HTMLElement {
  const head = make('tr', {}, ...heads.map((text) => make('th', { attributes: { scope: 'col' } }, text)));
  const body = rows.map((row) => make('tr', {}, ...row.map((cell) => make('td', {}, cell))));
  return make('div', { class: 'table' }, make('table', {}, make('thead', {}, head), make('tbody', {}, ...body)));
}

function titleMark({ partitions }: LiveView): string {
  const halted = partitions.filter(({ phase }) => phase === 'halted').length;
  return halted === 0 ? '' : `(${halted} halted) `;
}

export function showFigures(view: LiveView): void {
  const { node, partitions } = view;
  const sample = lastOf();
  const sum = (of: (one: LiveView['partitions'][number]) => number | null): number =>
    partitions.reduce((all, one) => all + (of(one) ?? 0), 0);
  const halted = partitions.filter(({ phase }) => phase === 'halted').length;
  const running = partitions.filter(({ phase }) => phase === 'running').length;
  const dead = sum((one) => one.dead);
  const parked = sum((one) => one.parked);
  const here = view.members.length > 1 ? ', this node' : '';
  const figures: [name: string, value: string, note: string, tone: string][] = [
    ['applied', `${compact(ratesOf('applied'))}/s`, `${compact(sum((one) => one.applied))} so far`, ''],
    ['lag', duration(node.lagMs), `${count(node.lagEvents)} events not read`, (node.lagMs ?? 0) > 10_000 ? 'warn' : ''],
    ['waiting', compact(sum((one) => one.buffered)), 'held for earlier events', ''],
    ['duplicates', `${compact(sample?.duplicates ?? null)}/s`, 'dropped', ''],
    [
      'dead letters',
      compact(dead),
      parked === 0 ? `set aside${here}` : `and ${compact(parked)} parked${here}`,
      dead > 0 ? 'warn' : '',
    ],
    [
      'partitions',
      halted === 0 ? `${running}` : `${halted} halted`,
      `of ${partitions.length} on this node${halted === 0 ? ' run' : ''}`,
      halted === 0 ? '' : 'bad',
    ],
  ];
  redraw(byId('figures'), figures, () =>
    figures.map(([name, value, note, tone]) =>
      make(
        'div',
        { class: `figure ${tone}` },
        make('h2', {}, name),
        make('p', { class: 'big' }, value),
        make('p', { class: 'quiet' }, note),
      ),
    ),
  );
}

/** Halted partitions, those with the same reason together. */
export function showAlarms({ partitions }: LiveView): void {
  const alarms = new Map<string, { partitions: number[]; code: string; message: string; next: string }>();
  for (const { partition, phase, fault } of partitions) {
    if (phase !== 'halted' || fault === null) continue;
    const message = fault.message.replace(/^partition \d+: /, '');
    const alarm = alarms.get(fault.code + message) ?? { partitions: [], ...fault, message };
    alarm.partitions.push(partition);
    alarms.set(fault.code + message, alarm);
  }
  const shown = [...alarms.values()];
  redraw(byId('alarms'), shown, () =>
    shown.map(({ partitions: numbers, code, message, next }) =>
      make(
        'div',
        { class: 'alarm' },
        make(
          'p',
          {},
          make('strong', {}, `${numbers.length === 1 ? 'Partition' : 'Partitions'} ${ranges(numbers)} halted`),
        ),
        make('p', {}, make('code', {}, code), ` ${message}`),
        make('p', { class: 'quiet' }, `→ ${next}`),
      ),
    ),
  );
}
