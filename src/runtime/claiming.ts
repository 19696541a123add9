/**
 * What a claim of a partition asks of the world: the ticket, and where in the stream the partition may start.
 *
 * Invariants
 * V1. No start is given before the stream was proven to be the one that the checkpoint was made from.
 * V2. What is missing is passed over only if an operator has accepted that beforehand, and the start then names it.
 */
import type { AnchorVerdict } from '../core/position/anchor-check.js';
import { checkAnchor } from '../core/position/anchor-check.js';
import { cutBack, skipTo } from '../core/position/resume.js';
import type { StreamChain } from '../core/position/stream-chain.js';
import { newestOf, placeOf } from '../core/position/stream-chain.js';
import { MillraceError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ClaimTicket, Coordinator } from '../ports/coordinator.js';
import type { EventLog, StreamInfo } from '../ports/event-log.js';
import type { LogLine } from '../ports/log.js';
import type { Membership, MemberTicket } from '../ports/membership.js';
import { errorOf } from '../protocol/fault.js';
import type { Fault, HostToMain } from '../protocol/messages.js';
import { retrying } from '../retrying.js';
import { lastUpTo } from './resume-point.js';
import type { PartitionStart } from './routed-partitions.js';

export interface ClaimingDependencies {
  /** The stream that holds a partition's events, with those before it. */
  readonly chainOf: (partition: number) => StreamChain;
  /** An operator has accepted beforehand what is missing. */
  readonly acceptGap: boolean;
  readonly coordinator: Coordinator;
  /** Where partitions are claimed among several nodes. */
  readonly membership?: Pick<Membership, 'claim'> | undefined;
  readonly clock: Clock;
  readonly line: LogLine;
  readonly log: EventLog;
  /** Always asked anew: an end of the stream that is older than a checkpoint would look like a regression. */
  readonly infoOf: (partition: number) => Promise<StreamInfo>;
}

type Claimed = Extract<HostToMain, { kind: 'claimed' }>;
type Start = Pick<PartitionStart, 'position' | 'anchor' | 'gap'>;

/** The ticket, undefined if somebody else was faster; and the first stored sequence of the stream. */
export interface Ticketed {
  readonly ticket: (ClaimTicket & Partial<Pick<MemberTicket, 'before'>>) | undefined;
  readonly first: number;
}

export class Claiming {
  readonly #deps: ClaimingDependencies;
  readonly #origins = new Map<number, number | undefined>();

  constructor(deps: ClaimingDependencies) {
    this.#deps = deps;
  }

  /** Claims a partition; `after` as in `Membership.claim`. Undefined when it is no longer wanted. */
  async ticket(partition: number, after: number, isWanted: () => boolean): Promise<Ticketed | undefined> {
    const { coordinator, membership, clock, line, infoOf } = this.#deps;
    const ticketed = await retrying(clock, line, 'partition.claim', isWanted, async () => ({
      first: (await infoOf(partition)).first,
      ticket: await (membership?.claim(partition, after) ?? coordinator.claim(partition)),
    }));
    if (ticketed?.ticket !== undefined) this.#origins.set(partition, ticketed.ticket.origin);
    return ticketed;
  }

  /** V1. Where the claimed partition starts; undefined when it is no longer wanted. Throws GAP and REGRESSION. */
  async start(message: Claimed, isWanted: () => boolean): Promise<Start | undefined> {
    const { partition, position, anchor } = message;
    const { coordinator, clock, line, log, chainOf, infoOf } = this.#deps;
    return retrying(clock, line, 'partition.verify', isWanted, async () => {
      const info = await infoOf(partition);
      if (this.#origins.get(partition) === undefined) await coordinator.establish(partition, info.first);
      const stored = anchor.sequence >= info.first && anchor.sequence <= info.last && anchor.sequence > 0;
      const time = stored ? await log.timeOf(newestOf(chainOf(partition)).stream, anchor.sequence) : undefined;
      return this.#startAt(message, info, checkAnchor(position.floor, anchor, info, time));
    });
  }

  /** V2. */
  async #startAt({ partition, position, anchor }: Claimed, info: StreamInfo, verdict: AnchorVerdict): Promise<Start> {
    const { acceptGap, log } = this.#deps;
    const chain = this.#deps.chainOf(partition);
    const { stream } = newestOf(chain);
    switch (verdict.kind) {
      case 'intact':
        return { position, anchor, gap: [] };
      case 'gap':
        if (!acceptGap) throw errorOf(gapFault(chain, verdict.first, verdict.last));
        // Where only the anchor's own event is gone, what is before it is still there: it is read, and the gap is met
        // again as a hole. One that lies below the floor was decided and is missed by nobody.
        if (verdict.first > position.floor + 1 || verdict.last <= position.floor) return { position, anchor, gap: [] };
        return { position: skipTo(position, verdict.last), anchor, gap: [verdict.first, verdict.last] };
      case 'regression': {
        if (!acceptGap) throw new MillraceError('REGRESSION', `stream ${stream}: ${verdict.detail}`);
        const timeOf = (sequence: number): Promise<string | undefined> => log.timeOf(stream, sequence);
        const kept = await lastUpTo(anchor.time, info, timeOf);
        const time = kept >= info.first ? await timeOf(kept) : undefined;
        const gap = kept < anchor.sequence ? [kept + 1, anchor.sequence] : [];
        return {
          position: cutBack(position, kept),
          anchor: { sequence: time === undefined ? 0 : kept, time: time ?? '' },
          gap,
        };
      }
    }
  }
}

/** Says that sequences `from` to `to` are gone, as the streams that they were in number them. */
export function gapFault(chain: StreamChain, from: number, to: number): Fault {
  const [first, last] = [placeOf(chain, from), placeOf(chain, to)];
  const end = first.stream === last.stream ? last.sequence : `${last.sequence} of ${last.stream}`;
  const message = `stream ${first.stream}: sequences ${first.sequence} to ${end} are gone and were not processed`;
  return { code: 'GAP', message, problems: [] };
}
