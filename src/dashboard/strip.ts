/** The key space as a strip: a cell per partition, in the order of the hash, and the details of the chosen one. */
import type { LivePartition, LiveView } from '../http/live-types.js';
import { byId, facts, make, redraw, setText } from './dom.js';
import { compact, count, date, duration } from './format.js';
import { nodeLink } from './owners.js';

/** Applied so far by partition, and when that was seen. */
const before = new Map<number, { readonly applied: number; readonly at: number }>();
const rates = new Map<number, number>();
let cells: HTMLElement[] = [];
let columns = 1;
let chosen: number | undefined;
let newest: LiveView | undefined;

export function startStrip(): void {
  new ResizeObserver(arrange).observe(byId('strip'));
  byId('strip').addEventListener('keydown', (event) => {
    const at = cells.findIndex((cell) => cell.tabIndex === 0);
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: cells.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.min(cells.length - 1, Math.max(0, to)), true);
  });
}

export function showStrip(view: LiveView): void {
  newest = view;
  for (const { partition, applied } of view.partitions) measure(partition, applied, view.now);
  if (cells.length !== view.partitions.length) makeCells(view.partitions.length);
  const top = Math.max(1, ...view.partitions.map(({ partition }) => rates.get(partition) ?? 0));
  view.partitions.forEach((partition, at) => {
    const cell = cells[at]!;
    const rate = rates.get(partition.partition) ?? 0;
    cell.dataset.phase = ['unclaimed', 'unowned'].includes(partition.phase) ? 'claiming' : partition.phase;
    cell.dataset.waits = String((partition.parked ?? 0) > 0);
    cell.style.setProperty('--level', String(Math.round(100 * Math.sqrt(rate / top)) / 100));
    const what = `partition ${partition.partition}, ${partition.phase}, ${compact(rate)} events a second`;
    if (cell.getAttribute('aria-label') !== what) cell.setAttribute('aria-label', what);
    cell.title = partition.fault === null ? what : `${what}: ${partition.fault.code}`;
  });
  const first = ['halted', 'running'].map((wanted) => view.partitions.findIndex(({ phase }) => phase === wanted));
  if (chosen === undefined && view.partitions.length > 0) choose(Math.max(0, first.find((at) => at >= 0) ?? 0), false);
  const running = view.partitions.filter(({ phase }) => phase === 'running').length;
  const other = view.partitions.filter(({ phase }) => phase === 'elsewhere').length;
  for (const sign of document.querySelectorAll<HTMLElement>('.legend .other')) sign.hidden = other === 0;
  const note = `${running} of ${view.partitions.length} run here${other === 0 ? '' : `, ${other} on other nodes`}`;
  setText(byId('strip-note'), `${note}; the fuller, the more events a second`);
  showChosen();
}

/** As few rows as fit, all of them full but the last: the same place in every row is then easy to compare. */
function arrange(): void {
  const strip = byId('strip');
  const width = { normal: 28, small: 17, tiny: 10 }[strip.dataset.size ?? 'normal'] ?? 28;
  const most = Math.max(1, Math.floor(strip.clientWidth / width));
  columns = Math.max(1, Math.ceil(cells.length / Math.ceil(cells.length / most)));
  strip.style.setProperty('--columns', String(columns));
}

function measure(partition: number, applied: number | null, now: number): void {
  if (applied === null) return;
  const last = before.get(partition);
  if (last !== undefined && now - last.at < 900) return;
  if (last !== undefined) rates.set(partition, Math.max(0, ((applied - last.applied) * 1000) / (now - last.at)));
  before.set(partition, { applied, at: now });
}

function makeCells(wanted: number): void {
  const strip = byId('strip');
  strip.dataset.size = wanted > 512 ? 'tiny' : wanted > 128 ? 'small' : 'normal';
  cells = Array.from({ length: wanted }, (_, at) =>
    make('div', { class: 'cell', onclick: () => choose(at, true), attributes: { role: 'option', tabindex: '-1' } }),
  );
  strip.replaceChildren(...cells);
  arrange();
  chosen = undefined;
}

function choose(at: number, focus: boolean): void {
  chosen = at;
  cells.forEach((cell, other) => {
    cell.tabIndex = other === at ? 0 : -1;
    cell.setAttribute('aria-selected', String(other === at));
  });
  if (focus) cells[at]!.focus();
  showChosen();
}

function showChosen(): void {
  const one = chosen === undefined ? undefined : newest?.partitions[chosen];
  if (one === undefined || newest === undefined) return;
  const rows = factsOf(one, newest.now);
  redraw(byId('partition'), [one.partition, one.phase, one.fault, rows], () => [
    make('h3', {}, `Partition ${one.partition}`, make('span', { class: `phase ${one.phase}` }, one.phase)),
    ...(one.fault === null ? [] : [make('p', { class: 'fault' }, `${one.fault.code}: ${one.fault.message}`)]),
    ...(one.fault === null ? [] : [make('p', { class: 'quiet' }, `→ ${one.fault.next}`)]),
    facts(rows.map(([name, value]) => [name, name === 'owner' && isElsewhere(one) ? nodeLink(value) : value])),
  ]);
}

/** Of what other nodes have, the owner is known and no more. */
const isElsewhere = ({ phase }: LivePartition): boolean => phase === 'elsewhere' || phase === 'unowned';

function factsOf(one: LivePartition, now: number): [string, string][] {
  if (isElsewhere(one))
    return [
      ['owner', one.owner],
      ['since', one.since === 0 ? 'unknown' : date(one.since)],
    ];
  return [
    ['owner', `${one.owner}, thread ${one.slot}`],
    ['applied', `${count(one.applied)}, ${compact(rates.get(one.partition) ?? 0)}/s`],
    ['lag', `${count(one.behind)} events of the stream`],
    ['waiting', `${count(one.buffered)}${(one.parked ?? 0) > 0 ? `, ${count(one.parked)} of them parked` : ''}`],
    ['dead letters', count(one.dead)],
    ['position', `${count(one.floor)}, checkpoint ${count(one.checkpoint)}`],
    ['checkpoint', one.checkpointAgeMs === null ? 'none yet' : `${duration(one.checkpointAgeMs)} old`],
    [one.phase, `for ${duration(Math.max(0, now - one.since))}, since ${date(one.since)}`],
    ['claims', `epoch ${one.epoch}, ${one.recoveries} recoveries`],
  ];
}
