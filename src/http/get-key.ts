/** `GET /v1/keys/{key}`: where a key stands: its state, its last event, what waits and why. */
import { partitionOf } from '../core/key/partition.js';
import { codeOf, messageOf } from '../errors.js';
import type { Inquiries } from '../runtime/explain.js';
import type { NodeStatus } from '../runtime/node-status.js';
import type { StateReader } from '../runtime/state-reader.js';
import type { Answer } from './answer.js';
import type { KeyView } from './live-types.js';
import { nameInPath } from './path-name.js';
import { Query } from './query.js';

export interface KeyDependencies {
  readonly reader: StateReader;
  readonly questions: Pick<Inquiries, 'inspect'>;
  readonly partitions: number;
  readonly status: () => NodeStatus;
}

/** What the store has and what the partition has in memory; one that cannot be had is named in `problems`. */
export async function getKey(url: string, target: string, deps: KeyDependencies): Promise<Answer> {
  const { reader, questions, partitions } = deps;
  const key = nameInPath(target, '/v1/keys/', 'key');
  new Query(url, []).check();
  const partition = partitionOf(key, partitions);
  const problems: string[] = [];
  const noted = (error: unknown): undefined => {
    problems.push(`${codeOf(error)}: ${messageOf(error)}`);
  };
  const [stored, inspection] = await Promise.all([
    reader.get(key).catch((error: unknown) => (codeOf(error) === 'NOT_FOUND' ? undefined : noted(error))),
    questions.inspect(key).catch(noted),
  ]);
  const last = stored === undefined || stored.id === null || stored.applied === 0 ? null : stored;
  const view: KeyView = {
    key,
    partition,
    owner: ownerOf(partition, deps.status()),
    state: stored?.state ?? null,
    applied: stored?.applied ?? 0,
    last: last === null ? null : { id: last.id ?? '', sequence: last.sequence ?? 0, time: last.time ?? 0 },
    position: stored?.position ?? null,
    checkpointAgeMs: stored?.checkpointAgeMs ?? null,
    quarantine: inspection?.quarantine ?? null,
    waiting: inspection?.waiting ?? [],
    waitingCount: inspection?.waitingCount ?? 0,
    notes: (inspection?.notes ?? []).map(({ id, streamSequence, decision, detail }) => ({
      id,
      streamSequence,
      decision,
      detail,
    })),
    problems,
  };
  return { status: 200, body: view };
}

function ownerOf(partition: number, { name, partitions, cluster }: NodeStatus): string | null {
  if (partitions.some((own) => own.partition === partition)) return name;
  return cluster?.ranges.find(({ first, last }) => partition >= first && partition <= last)?.node ?? null;
}
