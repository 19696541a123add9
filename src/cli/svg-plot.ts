/** Plots as SVG text: a few panels side by side, lines over named places, a legend. Readable on light and dark pages. */

export interface Series {
  readonly name: string;
  /** One value per place. */
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  /** Unit of the vertical axis. */
  readonly unit: string;
  readonly scale: 'linear' | 'log';
  readonly series: readonly Series[];
}

export interface Plot {
  readonly title: string;
  /** What the places are, and their names from left to right. */
  readonly axis: string;
  readonly places: readonly string[];
  readonly panels: readonly Panel[];
}

const COLOURS = ['#2563eb', '#d97706', '#059669', '#dc2626', '#7c3aed', '#475569'];
const PANEL = { width: 300, height: 240, left: 58, right: 14, top: 56, bottom: 46 } as const;
const LEGEND_LINE = 16;
const TICKS = 4;

export function svgPlot({ title, axis, places, panels }: Plot): string {
  const legendLines = Math.max(...panels.map(({ series }) => series.length));
  const width = panels.length * PANEL.width;
  const height = PANEL.height + legendLines * LEGEND_LINE + 14;
  const drawn = panels.map(
    (panel, at) => `<g transform="translate(${at * PANEL.width} 0)">${drawPanel(panel, axis, places)}</g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11">
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${width / 2}" y="20" text-anchor="middle" font-size="14" font-weight="600" fill="#111827">${escaped(title)}</text>
${drawn.join('\n')}
</svg>
`;
}

function drawPanel({ title, unit, scale, series }: Panel, axis: string, places: readonly string[]): string {
  const values = series.flatMap((one) => one.values);
  const ticks = scale === 'log' ? logTicks(values) : linearTicks(values);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const position = (value: number): number =>
    scale === 'log' ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
  const y = (value: number): number => round(PANEL.height - PANEL.bottom - position(value) * plotHeight);
  const x = (at: number): number => round(PANEL.left + ((at + 0.5) / places.length) * plotWidth);
  const parts = [
    text(PANEL.left, 42, `${title}, ${unit}`, 'start', '#111827', 600),
    ...ticks.map((tick) => `<path d="M${PANEL.left} ${y(tick)}H${PANEL.width - PANEL.right}" stroke="#e5e7eb"/>`),
    ...ticks.map((tick) => text(PANEL.left - 6, y(tick) + 4, short(tick), 'end')),
    ...places.map((place, at) => text(x(at), PANEL.height - PANEL.bottom + 16, place, 'middle')),
    text(PANEL.left + plotWidth / 2, PANEL.height - PANEL.bottom + 32, axis, 'middle'),
    ...series.map((one, at) => drawSeries(one, at, x, y)),
  ];
  return parts.join('\n');
}

const plotWidth = PANEL.width - PANEL.left - PANEL.right;
const plotHeight = PANEL.height - PANEL.top - PANEL.bottom;

function drawSeries(
  { name, values }: Series,
  at: number,
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  const colour = COLOURS[at % COLOURS.length]!;
  const points = values.map((value, place) => `${x(place)},${y(value)}`);
  const legendY = PANEL.height + at * LEGEND_LINE;
  return [
    `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...values.map((value, place) => `<circle cx="${x(place)}" cy="${y(value)}" r="3" fill="${colour}"/>`),
    `<rect x="${PANEL.left}" y="${legendY - 4}" width="14" height="3" fill="${colour}"/>`,
    text(PANEL.left + 20, legendY, name, 'start'),
  ].join('');
}

function text(x: number, y: number, content: string, anchor: string, fill = '#374151', weight = 400): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}" font-weight="${weight}">${escaped(content)}</text>`;
}

/** From 0 to a round number above all values. */
function linearTicks(values: readonly number[]): number[] {
  const most = Math.max(...values, 1e-9);
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size * TICKS >= most)!;
  return Array.from({ length: TICKS + 1 }, (_, at) => at * step);
}

/** Powers of ten around all values. */
function logTicks(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.max(Math.min(...values), 1)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values, 1))));
  return Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
}

const round = (value: number): number => Math.round(value * 10) / 10;
const short = (value: number): string =>
  value >= 1_000 ? `${round(value / 1_000)}k` : String(Number(value.toFixed(3)));
const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
