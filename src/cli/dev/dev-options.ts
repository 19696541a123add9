/** Options of `dev`: a few of the table, since the demo brings its own handler and its own events. */

import { fileVariableOf, variableOf } from '../../options/names.js';
import { resolveOptions } from '../../options/resolve.js';
import type { Environment, Flags } from '../../options/source.js';
import { mappingBlock, streamMapping } from '../../options/stream-mapping.js';
import type { OptionPath, OptionSection, Options } from '../../options/types.js';
import { optionRows, sectionOf } from '../../options/types.js';
import { nextFreePort } from './ports.js';

/** What may be set in `dev`; anything else could make the demo's own verdict wrong. */
export const devPaths: readonly (OptionPath | OptionSection)[] = [
  ...(['app', 'node', 'partitions', 'threads', 'nats', 'redis', 'stream'] as const),
  ...(['order.settle', 'order.idle', 'checkpoint', 'http', 'probes'] as const),
];

export interface DevOptions {
  /** Options with these flags besides, and for ports that are free now. */
  resolve(placeFlags: Readonly<Record<string, string>>): Promise<Options>;
  /** A port was not named, so that another one may be taken. */
  readonly picksPorts: boolean;
  /** What an own nats-server needs in its configuration for several streams. */
  readonly mapping: string | undefined;
  /** Servers that were named; undefined for those that `dev` starts. */
  readonly nats: string | undefined;
  readonly redis: string | undefined;
}

/** Reads flags and environment. Throws `OPTIONS_INVALID` with every problem. */
export function devOptions(flags: Flags, env: NodeJS.ProcessEnv): DevOptions {
  const sources = { flags: { handler: 'ledger', ...flags }, env: devEnvironment(env) };
  const { options, origins } = resolveOptions(sources);
  const { stream, event, partitions } = options;
  const mapping = stream.count === 1 ? undefined : streamMapping(stream.subjects, event.format.key, partitions);
  const isGiven = (path: OptionPath): boolean => origins.get(path)?.origin !== 'default';
  return {
    mapping: mapping === undefined ? undefined : mappingBlock(mapping),
    nats: isGiven('nats.url') ? options.nats.url : undefined,
    redis: isGiven('redis.url') ? options.redis.url : undefined,
    picksPorts: !isGiven('http.port') || !isGiven('probes.port'),
    async resolve(placeFlags) {
      const more: Record<string, string> = { ...placeFlags };
      // Probes of a developer machine are nobody else's business.
      if (!isGiven('probes.host')) more['probes-host'] = '127.0.0.1';
      const { http, probes } = options;
      const httpPort = isGiven('http.port') ? http.port : await nextFreePort(http.host, http.port);
      const probesHost = more['probes-host'] ?? probes.host;
      const probesPort = isGiven('probes.port') ? probes.port : await nextFreePort(probesHost, probes.port, [httpPort]);
      const ports = { 'http-port': String(httpPort), 'probes-port': String(probesPort) };
      return resolveOptions({ ...sources, flags: { ...sources.flags, ...more, ...ports } }).options;
    },
  };
}

/** The variables of what may be set here; others are meant for nodes that do real work. */
function devEnvironment(env: NodeJS.ProcessEnv): Environment {
  const names = new Set<string>();
  for (const [path, row] of optionRows) {
    if (!devPaths.includes(path) && !devPaths.includes(sectionOf(path) as OptionSection)) continue;
    for (const name of [variableOf(path), fileVariableOf(path, row) ?? '', ...row.env]) names.add(name);
  }
  return Object.fromEntries(Object.entries(env).filter(([name]) => names.has(name)));
}
