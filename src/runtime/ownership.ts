/**
 * What this node is to own: tells the others that it is there, watches them, and says which partitions to claim and
 * which to hand over. Owns the beats, the view of the cluster, and who counts as gone. Does not claim or drain itself.
 *
 * Invariants
 * W1. A partition is claimed only when it is nobody's: never claimed, released, or its owner is gone. Its owner is gone
 *     when its entry was removed, is another process's, or has not changed for a lease (presence.ts).
 * W2. Every node that sees the same members and claims comes to the same answer; where two do not yet, a partition that
 *     somebody owns moves only when its owner lets go of it.
 * W3. A node whose thread has made no progress for a lease says so with its beats and gets nothing while others can:
 *     beats of the main thread alone prove nothing about the threads.
 * W4. Who decides wrongly here costs time and nothing else: the commit guard does not ask who is there.
 * W5. A claim of ours that nobody here knows of, because its reply was lost and then the share moved on, is let go of:
 *     everybody else would wait for us.
 */
import { assign } from '../core/assignment/assign.js';
import { OLDEST_FORMAT, RECORD_FORMAT } from '../core/checkpoint/record.js';
import { codeOf, MillraceError, messageOf } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { LogLine } from '../ports/log.js';
import type { Claim, ClusterView, Member, MemberEntry, Membership } from '../ports/membership.js';
import { pause, retrying } from '../retrying.js';
import type { ClusterStatus } from './cluster-status.js';
import { clusterStatus } from './cluster-status.js';
import { problemOfFormats } from './format-skew.js';
import { Presence } from './presence.js';

export interface ClusterOptions {
  readonly leaseMs: number;
  /** What happens where another process of this name is alive. */
  readonly sameName: 'take-over' | 'refuse';
  /** Base URL of the HTTP API, for the other nodes. */
  readonly url: string | undefined;
}

export interface OwnershipOptions extends ClusterOptions {
  readonly name: string;
  readonly partitions: number;
}

/** A partition that this node has claimed, or is about to. */
export interface Held {
  readonly partition: number;
  /** 0 while the claim is under way. */
  readonly epoch: number;
}

export interface OwnershipEvents {
  /** To be claimed; `claim` is the newest one of anybody. */
  gain(partition: number, claim: Claim | undefined): void;
  /** To be handed over; `isOthers`: whoever is known to have it is there. */
  lose(partition: number, isOthers: boolean): void;
  /** Another node has claimed it: nothing of it is of use any more. */
  lost(partition: number, claim: Claim): void;
  /** Something of the view has changed. */
  reviewed(): void;
  failed(error: MillraceError): void;
}

export interface OwnershipDependencies {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly line: LogLine;
  readonly held: () => Iterable<Held>;
  /** Asked with every beat: whether every thread makes progress, and how many reports there were in all. */
  readonly progress: () => { readonly isWhole: boolean; readonly reports: number };
  readonly events: OwnershipEvents;
}

/** Beats of a lease. */
const BEATS = 4;

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #deps: OwnershipDependencies;
  readonly #beatMs: number;
  readonly #since: number;
  #phase: 'new' | 'joined' | 'leaving' | 'over' = 'new';
  #view: ClusterView | undefined;
  readonly #presence: Presence;
  /** What the cluster is being asked for. */
  readonly #asking = new Set<string>();
  #target: ReadonlySet<number> | undefined;
  #reviewing = false;
  #cancelBeat: () => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #stopWatch: () => void = () => undefined;

  constructor(options: OwnershipOptions, deps: OwnershipDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#beatMs = options.leaseMs / BEATS;
    this.#since = deps.clock.now();
    this.#presence = new Presence(options.name, options.leaseMs, () => deps.clock.elapsed());
  }

  /** Partitions that are this node's share and not held yet; undefined before the first review. */
  get missing(): number | undefined {
    if (this.#target === undefined) return undefined;
    const held = new Set([...this.#deps.held()].map(({ partition }) => partition));
    return [...this.#target].filter((partition) => !held.has(partition)).length;
  }

  /** Joins the cluster, waiting while it cannot be reached. Throws NODE_NAME_TAKEN. */
  async join(): Promise<void> {
    const { membership, clock, line } = this.#deps;
    const isWanted = (): boolean => this.#phase === 'new';
    if (this.#options.sameName === 'refuse')
      await retrying(clock, line, 'cluster.join', isWanted, () => this.#refuseIfTaken());
    const joined = await retrying(clock, line, 'cluster.join', isWanted, () => membership.beat(this.#entry(), true));
    if (joined === undefined || !isWanted()) return;
    this.#phase = 'joined';
    this.#stopWatch = membership.watch((view) => this.#saw(view));
    this.#beatSoon();
  }

  /** From now on this node is to get nothing, and hands over what it has. Settles when the others are told, or not. */
  async startLeaving(): Promise<void> {
    if (this.#phase !== 'joined') return;
    this.#phase = 'leaving';
    await this.#beat();
    this.review();
  }

  /** Ends it; what is still claimed is anybody's from now on. */
  async leave(): Promise<void> {
    const wasJoined = this.#phase === 'joined' || this.#phase === 'leaving';
    this.#phase = 'over';
    this.#cancelBeat();
    this.#cancelLook();
    this.#stopWatch();
    if (!wasJoined) return;
    await this.#deps.membership.leave().catch((error: unknown) => this.#complain(error));
  }

  /** Compares what is held with what is to be held, at the end of this turn. */
  review(): void {
    if (this.#reviewing) return;
    this.#reviewing = true;
    queueMicrotask(() => {
      this.#reviewing = false;
      if (this.#view !== undefined && this.#isJoined()) this.#review(this.#view);
    });
  }

  status(): ClusterStatus | undefined {
    if (this.#view === undefined) return undefined;
    const { name, partitions } = this.#options;
    const isAlive = (member: Member): boolean => !this.#presence.isGone(member);
    const share = this.#target?.size;
    return clusterStatus({ name, partitions, view: this.#view, isAlive, share, missing: this.missing });
  }

  #review(view: ClusterView): void {
    const { members, claims } = view;
    const { name, partitions } = this.#options;
    const { events, line, membership } = this.#deps;
    const own = members.get(name);
    if (own === undefined) {
      void this.#beat(); // somebody took us for gone
      return;
    }
    if (own.incarnation !== membership.incarnation) {
      this.#superseded();
      return;
    }
    const problem = this.#target === undefined ? problemOfFormats(members.values()) : undefined;
    if (problem !== undefined) {
      events.failed(new MillraceError('CHECKPOINT_FORMAT', problem));
      return;
    }
    for (const member of members.values()) {
      if (!this.#presence.isGone(member) || this.#asking.has(member.incarnation)) continue;
      line('warn', 'cluster.gone', { node: member.name });
      // So that everybody sees at once that it is gone, and nobody who comes later has to wait for it.
      this.#ask(member.incarnation, () => membership.evict(member));
    }
    const alive = [...members.values()].filter((member) => !this.#presence.isGone(member) && !member.isLeaving);
    const fit = alive.filter((member) => !member.isStalled);
    const names = (fit.length > 0 ? fit : alive).map((member) => member.name);
    const owners = Array.from({ length: partitions }, (_, partition) => this.#ownerOf(view, claims.get(partition)));
    const target = names.length === 0 ? [] : assign(names, partitions, owners);
    this.#target = new Set(target.flatMap((owner, partition) => (owner === name ? [partition] : [])));
    const held = new Map([...this.#deps.held()].map((one) => [one.partition, one.epoch] as const));
    for (const [partition, epoch] of held) {
      const claim = claims.get(partition);
      if (claim !== undefined && epoch > 0 && claim.epoch > epoch) events.lost(partition, claim);
      else if (!this.#target.has(partition)) events.lose(partition, (owners[partition] ?? name) !== name);
    }
    for (const partition of this.#target) {
      if (held.has(partition)) continue;
      const claim = claims.get(partition);
      const owner = this.#ownerOf(view, claim);
      if (owner === undefined || owner === name) events.gain(partition, claim); // W1
    }
    for (const [partition, { node, incarnation, isReleased, epoch }] of claims) {
      if (node !== name || incarnation !== membership.incarnation || isReleased) continue;
      // W5.
      if (!held.has(partition) && !this.#target.has(partition))
        this.#ask(`${partition} ${epoch}`, () => membership.release(partition, epoch, undefined));
    }
    this.#lookAgain();
    events.reviewed();
  }

  /** Whose a claim is, as long as its owner is there. */
  #ownerOf(view: ClusterView, claim: Claim | undefined): string | undefined {
    if (claim === undefined || claim.isReleased) return undefined;
    const member = view.members.get(claim.node);
    if (member === undefined) return this.#presence.hasLeft(claim.node, view.left) ? undefined : claim.node;
    if (member.incarnation !== claim.incarnation || this.#presence.isGone(member)) return undefined;
    return claim.node;
  }

  #saw(view: ClusterView): void {
    this.#view = view;
    this.#presence.saw(view);
    this.review();
  }

  /** Looks again when the next member may be gone. */
  #lookAgain(): void {
    this.#cancelLook();
    const ms = this.#presence.nextMs();
    if (ms === undefined) return;
    this.#cancelLook = this.#deps.clock.after(Math.max(ms, this.#beatMs / BEATS), () => this.review());
  }

  /** Once at a time; what fails is asked for again by a later review. */
  #ask(what: string, act: () => Promise<void>): void {
    if (this.#asking.has(what)) return;
    this.#asking.add(what);
    act()
      .catch((error: unknown) => this.#complain(error))
      .finally(() => this.#asking.delete(what));
  }

  #beatSoon(): void {
    this.#cancelBeat = this.#deps.clock.after(this.#beatMs, () => {
      void this.#beat().finally(() => {
        if (this.#isJoined()) this.#beatSoon();
      });
    });
  }

  async #beat(): Promise<void> {
    try {
      const verdict = await this.#deps.membership.beat(this.#entry(), false);
      if (verdict === 'superseded') this.#superseded();
    } catch (error) {
      this.#complain(error);
    }
  }

  /** W3. */
  #entry(): MemberEntry {
    const { url } = this.#options;
    const { isWhole, reports } = this.#deps.progress();
    return {
      isLeaving: this.#phase === 'leaving',
      isStalled: !isWhole,
      reads: [OLDEST_FORMAT, RECORD_FORMAT],
      url,
      since: this.#since,
      progress: reports,
    };
  }

  /** An entry of our name that goes on changing belongs to a process that is alive. */
  async #refuseIfTaken(): Promise<boolean> {
    const { membership, clock, line } = this.#deps;
    const { name, leaseMs } = this.#options;
    const first = await membership.find(name);
    if (first === undefined) return true;
    line('info', 'cluster.name', { name, ms: leaseMs });
    for (let waited = 0; waited < leaseMs && this.#phase === 'new'; waited += this.#beatMs) {
      await pause(clock, this.#beatMs);
      const now = await membership.find(name);
      if (now === undefined) return true;
      if (now.revision !== first.revision)
        throw new MillraceError('NODE_NAME_TAKEN', `another process is node ${name} and is alive`);
    }
    return true;
  }

  #superseded(): void {
    if (!this.#isJoined()) return;
    const message = `another process has started as node ${this.#options.name} and takes over: names must differ`;
    this.#deps.events.failed(new MillraceError('FENCED', message));
  }

  #isJoined(): boolean {
    return this.#phase === 'joined' || this.#phase === 'leaving';
  }

  #complain(error: unknown): void {
    this.#deps.line('warn', 'cluster.beat', { code: codeOf(error), error: messageOf(error) });
  }
}
