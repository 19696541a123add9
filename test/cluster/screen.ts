/** What a person sees of the cluster: one screen that is drawn again, or a line now and then where there is no terminal. */
import type { TroubledNode } from './troubled-node.js';

export interface View {
  readonly elapsedMs: number;
  readonly lengthMs: number;
  readonly nodes: readonly TroubledNode[];
  /** Events applied per second, of each node and together. */
  readonly rates: ReadonlyMap<string, number>;
  readonly stored: number;
  readonly applied: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly happened: readonly string[];
}

const LINE_MS = 5_000;
const HAPPENED = 6;

export class Screen {
  readonly #out: NodeJS.WriteStream;
  #lines = 0;
  #saidAt = Number.NEGATIVE_INFINITY;
  #told = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  draw(view: View): void {
    if (this.#out.isTTY) this.#redraw(screenOf(view));
    else this.#append(view);
  }

  #redraw(lines: readonly string[]): void {
    const up = this.#lines === 0 ? '' : `\x1b[${this.#lines}A`;
    this.#out.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[J`);
    this.#lines = lines.length;
  }

  #append(view: View): void {
    for (const line of view.happened.slice(this.#told)) this.#out.write(`${line}\n`);
    this.#told = view.happened.length;
    if (view.elapsedMs - this.#saidAt < LINE_MS) return;
    this.#saidAt = view.elapsedMs;
    const nodes = view.nodes.map((node) => `${node.name} ${node.state} ${rangesOf(node)}`).join(' · ');
    this.#out.write(`${clock(view.elapsedMs)} ${grouped(view.applied)} applied · ${nodes}\n`);
  }
}

export function screenOf(view: View): string[] {
  const { nodes, rates, faults } = view;
  const sum = (name: 'handedOver' | 'replayed' | 'takenOver' | 'fenced'): number =>
    nodes.reduce((total, { totals }) => total + totals[name], 0);
  const total = [...rates.values()].reduce((all, rate) => all + rate, 0);
  const struck = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  return [
    `Millrace · ${nodes.length} nodes, 3 nats-servers, Redis · ${clock(view.elapsedMs)} of ${clock(view.lengthMs)}`,
    '',
    row('node', 'state', 'own', 'partitions', 'events/s', 'behind'),
    ...nodes.map((node) => {
      const { name, state, status } = node;
      const own = status?.partitions.filter(({ phase }) => phase === 'running').length ?? 0;
      const isHere = state === 'running' || state === 'draining';
      const rate = isHere ? grouped(rates.get(name) ?? 0) : '–';
      return row(name, state, isHere ? String(own) : '–', isHere ? rangesOf(node) : '–', rate, behindOf(node));
    }),
    '',
    `events      ${grouped(view.stored)} stored, ${grouped(view.applied)} applied, ${grouped(total)}/s`,
    `hand-overs  ${sum('handedOver')} clean, ${sum('replayed')} events replayed by them; ${sum('takenOver')} taken over, ${sum('fenced')} stale owners refused`,
    `faults      ${struck.length === 0 ? 'none' : struck.join(', ')}`,
    ...view.happened.slice(-HAPPENED).map((line) => `            ${line}`),
  ];
}

function row(name: string, state: string, own: string, partitions: string, rate: string, behind: string): string {
  const shown = partitions.length > 22 ? `${partitions.slice(0, 21)}…` : partitions;
  return `${name.padEnd(9)}${state.padEnd(10)}${own.padStart(4)}  ${shown.padEnd(23)}${rate.padStart(9)}${behind.padStart(9)}`;
}

/** `0–20, 43–63` of the partitions that run there. */
function rangesOf({ status }: TroubledNode): string {
  const own = (status?.partitions ?? []).flatMap(({ partition, phase }) => (phase === 'running' ? [partition] : []));
  const ranges: [number, number][] = [];
  for (const partition of own.sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === partition - 1) last[1] = partition;
    else ranges.push([partition, partition]);
  }
  return ranges.length === 0
    ? 'none'
    : ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
}

function behindOf({ state, status }: TroubledNode): string {
  return state !== 'running' || status?.unread === undefined ? '–' : grouped(status.unread);
}

export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const grouped = (count: number): string => Math.round(count).toLocaleString('en');
