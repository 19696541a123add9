/**
 * The benchmark: how fast is a prefilled stream drained into state, next to a loop that only counts it?
 *
 *   npm run bench -- [--events N] [--keys N] [--rounds N] [--threads N] [--form json|numbered|cloudevents]
 *                    [--matrix] [--peers [--peer-events N]] [--case NAME …] [--quick] [--record] [--json FILE] [--profile DIR]
 *
 * One run starts a nats-server and a redis-server of its own, fills a stream once, and then, round by round, reads it
 * whole in a fresh process for each of
 *   bytes           a bare socket that asks for everything and looks at nothing: what the server gives at most
 *   counting        the client library's `consume()`, which counts and does nothing else
 *   time, dedupe    the whole pipeline: order by time, dedupe by id, a checkpoint a second; the figure that matters
 *   none            the whole pipeline without order and dedupe, a checkpoint a second
 *
 * and, with --matrix, for other orders, checkpoint intervals and numbers of threads; with --peers, for what else would be
 * used, over the first --peer-events (20,000) of the same stream: code written by hand, BullMQ, Restate. Their packages
 * are fetched once, into the cache. What each guarantees is in RESULTS.md. --quick is one short round that is
 * compared with the recorded baseline; --record writes the baseline.
 *
 * Measured: events per second from the first event read to the last applied, CPU time per event of the reading process
 * (until everything is stored), its main thread, nats-server and redis-server, and the peak memory of the process.
 * After each drain the store is checked: every event applied once, by the counters and by the states themselves.
 *
 * Not measured: publishing; latency, since a backlog has none; start and recovery; TLS; the network, which is a loopback
 * here; handlers that do more than a ledger; several nodes. Servers and client share the machine's cores, so events per
 * second depend on it, and only the ratio within one run means something elsewhere. CPU time per event is steadier.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { locateServers } from '../../src/services/binaries.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import { comparison, figuresOf, recordBaseline } from './baseline.js';
import { readBenchOptions } from './bench-options.js';
import { benchCases } from './cases.js';
import { fillStream } from './fill-stream.js';
import type { Measurement } from './meter.js';
import { installPeers, peersText } from './peers.js';
import { runReader } from './readers.js';
import { resultTable } from './result-table.js';
import { checkStore } from './store-check.js';
import { targetLines } from './targets.js';

const options = readBenchOptions();
const cases = benchCases(options);
const say = (line: string): void => console.error(line);

const needsPackages = cases.some(({ reader }) => reader === 'bullmq' || reader === 'restate');
const peers = needsPackages ? await installPeers(say) : undefined;
const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
const binaries = await locateServers({ log: say });
const nats = await startNatsServer({ binary: binaries.nats, dir: join(dir, 'nats') });
const redis = await startRedisServer({ binary: binaries.redis, dir: join(dir, 'redis') });
const connection = await connect({ servers: nats.url });
try {
  const filledAt = performance.now();
  const stream = await fillStream(connection, options);
  const seconds = ((performance.now() - filledAt) / 1000).toFixed(1);
  say(`${stream.messages} events over ${options.keys} keys, ${stream.bodyBytes} bytes each, stored in ${seconds} s`);

  const measured: Measurement[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const bench of cases) {
      const app = `round-${round}-${cases.indexOf(bench)}`;
      const servers = { nats: { url: nats.url, pid: nats.pid }, redis: { url: redis.url, pid: redis.pid } };
      const messages = bench.isPeer === true ? Math.min(options.peerEvents, stream.messages) : stream.messages;
      const task = { bench, app, stream: { ...stream, messages }, servers, threads: options.threads, peers };
      const result = await runReader(task, options.profile);
      const { pipeline } = bench;
      if (pipeline !== undefined)
        await checkStore(redis.url, app, stream, !pipeline.dedupe && pipeline.order !== 'sequence');
      say(`round ${round}, ${bench.name}: ${Math.round(result.messages / result.seconds)} events/s`);
      measured.push(result);
    }
  }

  console.log(
    `\nnats-server ${binaries.nats.version}, redis-server ${binaries.redis.version}, node ${process.version}, ` +
      `${availableParallelism()} cores; median of ${options.rounds} round${options.rounds === 1 ? '' : 's'}\n`,
  );
  console.log(resultTable(measured));
  if (peers !== undefined) console.log(`\npeers: ${peersText}`);
  for (const line of targetLines(measured)) console.log(line);
  const figures = figuresOf(measured);
  if (options.baseline === 'record') await recordBaseline(figures, options);
  if (options.baseline === 'compare') console.log(await comparison(figures));
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ options, stream, figures, measured }, null, 2)}\n`);
} finally {
  await connection.close();
  await Promise.all([nats.stop(), redis.stop()]);
  await rm(dir, { recursive: true, force: true });
}
