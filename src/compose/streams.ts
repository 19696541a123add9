/** What the options say of the streams, worked out. Part of the composition root. */
import type { StreamSettings } from '../adapters/nats/judge-stream.js';
import { partitionsOf } from '../core/key/stream-share.js';
import type { StreamGeneration } from '../core/position/stream-generations.js';
import { streamNames } from '../core/position/stream-generations.js';
import type { DecoderOptions } from '../host/event-decoder.js';
import type { StreamMapping } from '../options/stream-mapping.js';
import { streamMapping, subjectsOfStream } from '../options/stream-mapping.js';
import type { Options } from '../options/types.js';
import type { StreamRoute } from '../runtime/key-route.js';
import { keyRoute, mappedRoute } from '../runtime/key-route.js';

/** The server's mapping; undefined where one stream takes what is published as it is. */
export function mappingOf({ stream, event, partitions }: Options): StreamMapping | undefined {
  return stream.count === 1 ? undefined : streamMapping(stream.subjects, event.format.key, partitions);
}

/** What each stream must be, in the order of their partitions. */
export function streamSettings(options: Options): StreamSettings[] {
  const { subjects, replicas, maxAgeMs, maxBytes, duplicateWindowMs, count } = options.stream;
  const mapping = mappingOf(options);
  return streamNames(options.stream).map((name, index) => ({
    ...{ name, replicas, maxAgeMs, maxBytes, duplicateWindowMs },
    subjects: mapping === undefined ? subjects : subjectsOfStream(mapping, index, options.partitions, count),
  }));
}

/** Which partition an event of each stream belongs to, also one from before a move. */
export function streamRoutes(options: Options, generations: readonly StreamGeneration[]): StreamRoute[] {
  const { event, stream, partitions } = options;
  const mapping = mappingOf(options);
  return Array.from({ length: stream.count }, (_, index) => {
    let route: StreamRoute = keyRoute({ key: event.format.key, partition: event.partition, partitions });
    for (const { count, bases } of generations) {
      if (count === 1 || mapping === undefined) continue;
      const at = Math.floor((index * count) / stream.count);
      const [first, last] = partitionsOf(at, partitions, count);
      route = mappedRoute({ earlier: route, base: bases[at]!, index: mapping.partitionToken, first, last });
    }
    return route;
  });
}

/** How a host reads what the mapping made of a subject. */
export function decoderMapping(options: Options): Pick<DecoderOptions, 'mapping' | 'checkPartition'> {
  const mapping = mappingOf(options);
  const { partitionToken: index, storedTokens: tokens } = mapping ?? { partitionToken: 0, storedTokens: 0 };
  return {
    mapping: tokens === 0 ? undefined : { index, tokens },
    checkPartition: mapping !== undefined || options.event.partition.kind === 'token',
  };
}
