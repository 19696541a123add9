/** Charts of the last five minutes. One cursor for all of them; the head of each says its values there, or the newest. */
import type UplotModule from 'uplot';
import type { LiveSample } from '../http/live-types.js';
import { byId, make, setText } from './dom.js';
import { compact, duration } from './format.js';

/** Comes from /dashboard/uplot.js, which the page loads before this. */
declare const uPlot: typeof UplotModule;

interface Line {
  readonly name: string;
  readonly color: string;
  readonly value: (sample: LiveSample) => number | null;
}

interface ChartOptions {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
}

const perSecond = (value: number | null): string => `${compact(value)}/s`;

const chartOptions: readonly ChartOptions[] = [
  {
    title: 'Events a second',
    lines: [
      { name: 'in', color: '--line-1', value: ({ read }) => read },
      { name: 'applied', color: '--line-2', value: ({ applied }) => applied },
    ],
    format: perSecond,
  },
  {
    title: 'Lag, events not read',
    lines: [{ name: 'events', color: '--line-1', value: ({ lagEvents }) => lagEvents }],
    format: compact,
  },
  {
    title: 'Lag, time',
    lines: [{ name: 'behind the stream', color: '--line-3', value: ({ lagMs }) => lagMs }],
    format: duration,
  },
  {
    title: 'Not simply applied',
    lines: [
      { name: 'duplicates', color: '--line-1', value: ({ duplicates }) => duplicates },
      { name: 'late', color: '--line-3', value: ({ late }) => late },
      { name: 'dead letters', color: '--line-4', value: ({ dead }) => dead },
    ],
    format: perSecond,
  },
  {
    title: 'Waiting for their turn',
    lines: [{ name: 'events', color: '--line-2', value: ({ buffered }) => buffered }],
    format: compact,
  },
  {
    title: 'Latency, mean',
    lines: [
      { name: 'event to applied', color: '--line-2', value: ({ appliedMs }) => appliedMs },
      { name: 'to stored', color: '--line-1', value: ({ durableMs }) => durableMs },
      { name: 'checkpoint alone', color: '--line-3', value: ({ commitMs }) => commitMs },
    ],
    format: duration,
  },
];

const SHOWN_S = 300;
const SHOWN_MIN_S = 60;
const HEIGHT = 132;

class Chart {
  readonly #options: ChartOptions;
  readonly #head = make('p', { class: 'values' });
  readonly #place = make('div', { class: 'plot' });
  readonly element: HTMLElement;
  #plot: UplotModule | undefined;
  #data: (number | null)[][];

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#data = [[], ...options.lines.map(() => [])];
    this.element = make(
      'figure',
      { class: 'card chart' },
      make('figcaption', {}, make('h3', {}, options.title), this.#head),
      this.#place,
    );
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#place.clientWidth, height: HEIGHT })).observe(
      this.#place,
    );
  }

  show(samples: readonly LiveSample[]): void {
    this.#data = [samples.map(({ at }) => at / 1000), ...this.#options.lines.map(({ value }) => samples.map(value))];
    if (this.#plot === undefined) this.draw();
    else this.#plot.setData(this.#data as UplotModule.AlignedData);
    this.#say();
  }

  /** Anew, since colours are not looked up again. */
  draw(): void {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const grid = { stroke: color('--grid'), width: 1 };
    const axis = { stroke: color('--quiet'), font: '11px system-ui, sans-serif', grid, ticks: { show: false } };
    const { lines, format } = this.#options;
    this.#plot = new uPlot(
      {
        width: Math.max(100, this.#place.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 22, 0, 0],
        cursor: { sync: { key: 'millrace' }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: {
          x: { range: (_, min, max) => [max - Math.min(SHOWN_S, Math.max(SHOWN_MIN_S, max - min)), max] },
          y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] },
        },
        axes: [
          { ...axis, size: 24, space: 70, values: '{HH}:{mm}:{ss}' },
          { ...axis, size: 56, space: 34, values: (_, ticks) => ticks.map((tick) => format(tick)) },
        ],
        series: [
          {},
          ...lines.map((line, at) => ({
            stroke: color(line.color),
            width: 1.75,
            points: { show: false },
            spanGaps: true,
            ...(at === lines.length - 1 && { fill: `${color(line.color)}22` }),
          })),
        ],
        hooks: { setCursor: [() => this.#say()] },
      },
      this.#data as UplotModule.AlignedData,
      this.#place,
    );
  }

  #say(): void {
    const { lines, format } = this.#options;
    const at = this.#plot?.cursor.idx ?? this.#data[0]!.length - 1;
    const shown = lines.map(({ name, color }, line) => {
      const value = this.#data[line + 1]![at] ?? null;
      return { color, text: `${name} ${value === null ? '–' : format(value)}` };
    });
    if (this.#head.childElementCount !== shown.length)
      this.#head.replaceChildren(...shown.map(({ color }) => make('span', { class: `value ${color.slice(2)}` })));
    for (const [index, { text }] of shown.entries()) setText(this.#head.children[index]!, text);
  }
}

const charts: Chart[] = [];
let samples: LiveSample[] = [];

export function startCharts(): void {
  charts.push(...chartOptions.map((options) => new Chart(options)));
  byId('charts').replaceChildren(...charts.map(({ element }) => element));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const chart of charts) chart.draw();
  });
}

/** Time of the newest sample that is here, epoch ms. */
export function lastSample(): number {
  return samples.at(-1)?.at ?? 0;
}

export function showSamples(added: readonly LiveSample[]): void {
  if (added.length === 0) return;
  // A clock that was set back, or another process: what came before means nothing any more.
  if (added[0]!.at <= lastSample()) samples = [];
  samples = [...samples, ...added].slice(-2 * SHOWN_S);
  for (const chart of charts) chart.show(samples);
}

/** The newest sample, or undefined. */
export function lastOf(): LiveSample | undefined {
  return samples.at(-1);
}

/** Mean of a rate over the last five seconds; what a person reads should not jump. */
export function ratesOf(name: 'applied' | 'read'): number | null {
  const recent = samples.slice(-5);
  return recent.length === 0 ? null : recent.reduce((all, sample) => all + sample[name], 0) / recent.length;
}
