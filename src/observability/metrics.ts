/** The metrics of a node in Prometheus' text format, worked out from its status when they are asked for. */
import type { IntervalHistogram } from 'node:perf_hooks';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import type { PartitionReport } from '../protocol/messages.js';
import { sumOf, type Timing } from '../protocol/timing.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { MetricName, MetricRow } from './names.js';
import { metricTable } from './names.js';
import { Tally } from './tally.js';

export interface MetricsOptions {
  /** Undefined until there is a node. */
  readonly status: () => NodeStatus | undefined;
  /** Wall clock, epoch ms; the machine's by default. */
  readonly now?: (() => number) | undefined;
}

const LOOP_RESOLUTION_MS = 20;

/** Metrics in a registry of their own: a process that holds a node may have its own default one. */
export class NodeMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #options: MetricsOptions;
  readonly #registry = new Registry();
  readonly #counters = new Map<MetricName, Counter>();
  readonly #gauges = new Map<MetricName, Gauge>();
  /** Totals of the histograms, one count per bucket. */
  readonly #timings = new Map<MetricName, Timing>();
  readonly #tally = new Tally(
    (name, by, label) => this.#gain(name, by, label),
    (name, by) => this.#timings.set(name, sumOf(this.#timings.get(name), by)),
  );
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #cpuSeconds = 0;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const rows = Object.entries(metricTable) as [MetricName, MetricRow][];
    for (const [name, { type, help, label, boundsMs }] of rows) {
      if (boundsMs !== undefined) {
        this.#timings.set(name, { counts: new Array<number>(boundsMs.length + 1).fill(0), sumMs: 0 });
        continue;
      }
      const settings = { name, help, labelNames: label === undefined ? [] : [label.name], registers: [this.#registry] };
      if (type === 'gauge') this.#gauges.set(name, new Gauge(settings));
      else this.#counters.set(name, new Counter(settings));
      // A reason that has not occurred is 0, not absent: an alert on its growth would miss the first.
      for (const value of label?.values ?? []) this.#touch(name, value);
    }
    this.#loop.enable();
  }

  /** Everything as it is now. The delay of the event loop is that since the last call. */
  async text(): Promise<string> {
    const status = this.#options.status();
    if (status !== undefined) this.#setNode(status);
    this.#setProcess();
    const histograms = [...this.#timings].map(([name, timing]) => histogramOf(name, timing));
    return Registry.merge([this.#registry, AggregatorRegistry.aggregate([histograms])]).metrics();
  }

  /** Stops measuring. */
  close(): void {
    this.#loop.disable();
  }

  #setNode(status: NodeStatus): void {
    this.#tally.update(status);
    const { partitions, threads, unread } = status;
    if (unread === undefined) this.#gauges.get('millrace_unread_events')?.remove();
    else this.#set('millrace_unread_events', unread);
    this.#setEach('millrace_node_phase', (phase) => Number(status.phase === phase));
    this.#setEach('millrace_partitions', (phase) => partitions.filter((one) => one.phase === phase).length);
    const halted = partitions.filter(({ phase }) => phase === 'halted');
    this.#setEach('millrace_partitions_halted', (code) => halted.filter(({ fault }) => fault?.code === code).length);
    this.#set('millrace_in_flight_bytes', status.inFlightBytes);
    this.#setHandlers(threads);
    this.#set('millrace_thread_restarts', status.threadRestarts);
    this.#set(
      'millrace_thread_heap_bytes',
      sum(threads, ({ heapBytes }) => heapBytes),
    );
    this.#set('millrace_sink_lag_seconds', Math.max(0, ...threads.map(({ sink }) => (sink?.lagMs ?? 0) / 1000)));
    this.#set(
      'millrace_sink_waiting_keys',
      sum(threads, ({ sink }) => sink?.waitingKeys ?? 0),
    );
    this.#setReports(partitions.flatMap(({ phase, report }) => (phase === 'running' && report ? [report] : [])));
  }

  #setHandlers(threads: NodeStatus['threads']): void {
    const handlers = threads.flatMap(({ handler }) => (handler === undefined ? [] : [handler]));
    this.#set('millrace_hot_key_share', Math.max(0, ...handlers.map(({ hotKeys }) => hotKeys[0]?.share ?? 0)));
  }

  #setReports(reports: readonly PartitionReport[]): void {
    this.#set(
      'millrace_buffered_events',
      sum(reports, ({ buffered }) => buffered),
    );
    this.#set(
      'millrace_resident_keys',
      sum(reports, ({ residentKeys }) => residentKeys),
    );
    this.#set(
      'millrace_dedupe_ids',
      sum(reports, ({ dedupeIds }) => dedupeIds),
    );
    this.#set(
      'millrace_dead_letters',
      sum(reports, ({ deadStored }) => deadStored),
    );
    const now = (this.#options.now ?? Date.now)();
    const ages = reports.flatMap(({ savedAt }) => (savedAt > 0 ? [now - savedAt] : []));
    this.#set('millrace_checkpoint_age_seconds', Math.max(0, ...ages) / 1000);
  }

  #setProcess(): void {
    const { heapUsed, rss } = process.memoryUsage();
    this.#set('millrace_heap_bytes', heapUsed);
    this.#set('millrace_resident_memory_bytes', rss);
    const { user, system } = process.cpuUsage();
    const cpuSeconds = (user + system) / 1e6;
    this.#gain('millrace_cpu_seconds_total', cpuSeconds - this.#cpuSeconds);
    this.#cpuSeconds = cpuSeconds;
    // The histogram holds the time between two ticks; what is beyond the resolution is delay.
    this.#setEach('millrace_event_loop_delay_seconds', (quantile) =>
      this.#loop.count === 0
        ? 0
        : Math.max(0, this.#loop.percentile(Number(quantile) * 100) / 1e9 - LOOP_RESOLUTION_MS / 1000),
    );
    this.#loop.reset();
  }

  #set(name: MetricName, value: number, label?: string): void {
    this.#gauges.get(name)?.set(labelsOf(name, label), value);
  }

  #setEach(name: MetricName, of: (label: string) => number): void {
    for (const value of (metricTable[name] as MetricRow).label?.values ?? []) this.#set(name, of(value), value);
  }

  /** Labels outside their set, as a newer version may have stored them, are counted nowhere. */
  #gain(name: MetricName, by: number, label?: string): void {
    const { label: known } = metricTable[name] as MetricRow;
    if (label === undefined || known?.values.includes(label)) this.#counters.get(name)?.inc(labelsOf(name, label), by);
  }

  #touch(name: MetricName, label: string): void {
    this.#counters.get(name)?.inc(labelsOf(name, label), 0);
    this.#gauges.get(name)?.set(labelsOf(name, label), 0);
  }
}

function labelsOf(name: MetricName, value: string | undefined): Record<string, string> {
  const { label } = metricTable[name] as MetricRow;
  return label === undefined || value === undefined ? {} : { [label.name]: value };
}

/** As prom-client keeps one: its own counts every value in the thread where it is exported, ours were counted elsewhere. */
function histogramOf(name: MetricName, { counts, sumMs }: Timing): object {
  const { help, boundsMs = [] } = metricTable[name] as MetricRow;
  let below = 0;
  const buckets = counts.map((count, at) => {
    below += count;
    const bound = boundsMs[at];
    return {
      metricName: `${name}_bucket`,
      labels: { le: bound === undefined ? '+Inf' : bound / 1000 },
      value: below,
    };
  });
  const values = [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sumMs / 1000 },
    { metricName: `${name}_count`, labels: {}, value: below },
  ];
  return { name, help, type: 'histogram', values, aggregator: 'sum' };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
