/**
 * Looks at every write that took effect and says which invariant it breaks. It keeps its own picture of what is
 * stored (`Shadow`) and its own picture of the log (`Ledger`), and shares no code with what it judges.
 *
 * Checked here: I1 and I3 (each decided event accounted for once, and with the right effect), I2 (nothing skipped), I4
 * (order), I5 (numbers and positions), I6 (owners), I8 (outputs), I9 (dead letters), I12 (dedupe content).
 */
import type { Commit } from '../../src/core/checkpoint/commit.js';
import type { CommitVerdict } from '../../src/core/checkpoint/guard.js';
import type { PartitionRecord } from '../../src/core/checkpoint/record.js';
import { decodeRecord } from '../../src/core/checkpoint/record.js';
import type { Claim } from '../../src/ports/checkpoint-store.js';
import type { NewEvent } from '../../src/ports/event-log.js';
import type { MainToHost } from '../../src/protocol/messages.js';
import { CommitAudit } from './commit-audit.js';
import { problemOfSegments } from './dedupe-audit.js';
import type { Entry } from './ledger.js';
import { OwnerAudit } from './owner-audit.js';
import { isParking } from './plan.js';
import { Shadow } from './shadow.js';
import type { World } from './world.js';

/** The auditor's picture at one moment, to go back to with the store. */
export type AuditSnapshot = readonly Shadow[];

export class Auditor {
  readonly world: World;
  readonly owners: OwnerAudit;
  #shadows: Shadow[];
  /** Outputs of all accepted commits, and those that were published. */
  readonly #outputs = new Map<string, string>();
  readonly published = new Set<string>();
  /** Stream times that hosts were told, with the last event before them. */
  readonly #told: { readonly after: number; readonly time: number }[] = [];
  /** Events after which a partition may have been told that the stream is quiet. */
  readonly quietAfter = new Set<Entry>();

  constructor(world: World) {
    this.world = world;
    this.owners = new OwnerAudit(world);
    this.#shadows = Array.from({ length: world.plan.partitions }, () => new Shadow());
  }

  shadow(partition: number): Shadow {
    return this.#shadows[partition]!;
  }

  snapshot(): AuditSnapshot {
    return this.#shadows.map((shadow) => new Shadow(shadow));
  }

  restore(snapshot: AuditSnapshot): void {
    this.#shadows = snapshot.map((shadow) => new Shadow(shadow));
    this.lostTail();
  }

  lostRecord(partition: number): void {
    this.shadow(partition).exists = false;
  }

  /** The log has gone back, or the store has: which records speak of events that are no more? */
  lostTail(): void {
    for (const shadow of this.#shadows) shadow.isTainted = this.#isTainted(shadow.anchorSequence, shadow.anchorTime);
  }

  claimed(claim: Claim, verdict: CommitVerdict): void {
    const { world } = this;
    world.coverage.add(`claim ${verdict}`);
    if (verdict !== 'accept' || world.violation !== undefined) return;
    const { partition, owner, seen } = claim;
    const old = this.shadow(partition);
    if (seen === undefined) {
      if (old.exists) world.violate('I5', `partition ${partition}: a first record replaced an existing one`);
      this.#shadows[partition] = this.#first(partition, owner, claim.record, old);
      return;
    }
    if (!old.exists || old.number !== seen.number || old.owner !== seen.owner)
      world.violate('I6', `partition ${partition}: a claim was accepted against ${seen.owner} ${seen.number}`);
    old.owner = owner;
    const problem = problemOfSegments(old, world.ledger.own(partition), world);
    if (problem !== undefined) world.violate('I12', `partition ${partition}: ${problem}`);
  }

  #first(partition: number, owner: string, text: string, old: Shadow): Shadow {
    const { world } = this;
    const shadow = new Shadow();
    const record = this.#decode(partition, text);
    shadow.exists = true;
    shadow.owner = owner;
    shadow.floor = record?.position.floor ?? 0;
    shadow.gaps = record?.gaps ?? [];
    this.owners.first(partition, shadow);
    for (const [sequence, letter] of old.dead) shadow.dead.set(sequence, letter);
    for (const entry of world.ledger.own(partition)) {
      if (entry.sequence > shadow.floor) break;
      shadow.fates.set(entry.sequence, 'gap');
      shadow.decidedFirst++;
      if (!entry.isRemoved)
        world.violate('I2', `partition ${partition}: starts after ${entry.sequence}, which is there`);
    }
    return shadow;
  }

  committed(commit: Commit, verdict: CommitVerdict): void {
    const { world } = this;
    const { partition, owner, number } = commit;
    world.coverage.add(`commit ${verdict}`);
    if (verdict !== 'accept' || world.violation !== undefined) return;
    const shadow = this.shadow(partition);
    const where = `partition ${partition}, checkpoint ${number}`;
    if (!shadow.exists || shadow.owner !== owner)
      world.violate('I6', `${where}: accepted from ${owner}, the owner is ${shadow.owner}`);
    if (number !== shadow.number + 1) world.violate('I5', `${where}: accepted after ${shadow.number}`);
    const record = this.#decode(partition, commit.record);
    if (record === undefined) return;
    const { anchor, position } = record;
    const wasTainted = shadow.isTainted;
    shadow.isTainted = this.#isTainted(anchor.sequence, anchor.time);
    if (shadow.isTainted && !world.ledger.hasLostTail)
      world.violate('I1', `${where}: the anchor ${anchor.sequence} at ${anchor.time} is no event of the log`);
    if (wasTainted && !shadow.isTainted) this.#goesOn(shadow, partition, where);
    shadow.number = number;
    shadow.anchorSequence = anchor.sequence;
    shadow.anchorTime = anchor.time;
    shadow.gaps = record.gaps;
    shadow.deadStored = record.deadStored;
    for (const { number: segment, bytes } of commit.dedupePut) shadow.segments.set(segment, bytes);
    for (const segment of commit.dedupeDrop) shadow.segments.delete(segment);
    for (const [id, output] of commit.outbox.set) this.#emitted(shadow, id, output);
    for (const id of commit.outbox.remove) {
      if (!this.published.has(id)) world.violate('I8', `${where}: output ${id} is removed, and was never published`);
      shadow.outbox.delete(id);
    }
    if (position.floor < shadow.floor && !wasTainted)
      world.violate('I5', `${where}: the floor went back from ${shadow.floor}`);
    shadow.floor = position.floor;
    const audit = new CommitAudit(world, shadow, commit, record, where);
    if (shadow.isTainted || (shadow.isLegacy && isParking(world.plan))) audit.adopt();
    else audit.run();
  }

  /** I11: a record that was made from lost events may be gone on from only if an operator has said so. */
  #goesOn(shadow: Shadow, partition: number, where: string): void {
    const { world } = this;
    // Where what took the anchor's sequence is gone as well, nothing is left to tell the loss by.
    const isTold = world.ledger.at(shadow.anchorSequence)?.isRemoved !== true;
    if (isTold && !world.acceptsGaps)
      world.violate('I11', `${where}: went on over a loss of the log's tail without a word`);
    shadow.becomeLegacy(world.ledger.keptSince(shadow.anchorTime), world.ledger.own(partition));
    world.coverage.add('regression accepted');
  }

  /** I8. */
  #emitted(shadow: Shadow, id: string, output: string): void {
    shadow.outbox.set(id, output);
    const known = this.#outputs.get(id);
    if (known !== undefined && known !== output && !this.world.ledger.hasLostTail)
      this.world.violate('I8', `output ${id} was ${known} and is ${output}`);
    this.#outputs.set(id, output);
  }

  appended(event: NewEvent): void {
    const { world } = this;
    const output = this.#outputs.get(event.id);
    const text = new TextDecoder().decode(event.body);
    if (output === undefined) world.violate('I8', `output ${event.id} was published before the commit that stores it`);
    else if (JSON.stringify((JSON.parse(output) as { data: unknown }).data) !== text && !world.ledger.hasLostTail)
      world.violate('I8', `output ${event.id} was published as ${text}`);
    this.published.add(event.id);
  }

  /** Keeps in mind after which event a host was told of quietness; whether that is reproducible is judged later. */
  said(message: MainToHost): void {
    if (message.kind !== 'batch' && message.kind !== 'mark') return;
    const { plan, ledger } = this.world;
    const { anchor, streamTime } = message;
    this.#told.push({ after: anchor.sequence, time: streamTime });
    for (let partition = 0; partition < plan.partitions; partition++) {
      const own = ledger.own(partition);
      let i = own.length - 1;
      while (i >= 0 && own[i]!.sequence > anchor.sequence) i--;
      if (i >= 0 && streamTime - own[i]!.arrival >= plan.idleMs) this.quietAfter.add(own[i]!);
    }
  }

  /** Latest stream time that any partition can have known when it took this event in, epoch ms. */
  latestBefore(sequence: number): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (const { after, time } of this.#told) if (after < sequence && time > latest) latest = time;
    const { ledger } = this.world;
    for (let at = Math.min(sequence, ledger.last); at > 0; at--) latest = Math.max(latest, ledger.at(at)!.streamTime);
    return latest;
  }

  #isTainted(sequence: number, time: string): boolean {
    return sequence > 0 && this.world.ledger.at(sequence)?.timeText !== time;
  }

  #decode(partition: number, text: string): PartitionRecord | undefined {
    const decoded = decodeRecord(text);
    if (decoded.kind === 'record') return decoded.record;
    this.world.violate('I1', `partition ${partition}: stored a record that cannot be read: ${text}`);
    return undefined;
  }
}
