/** The faults that happen once: when they come, whom they hit, and what they do. */
import type { MemorySnapshot } from '../../src/adapters/memory/memory-checkpoint-store.js';
import { OUTSIDE } from '../../src/testing/virtual-time.js';
import type { AuditSnapshot } from './auditor.js';
import type { Service } from './network.js';
import type { PlannedStrike, Strike } from './plan.js';
import type { SimNode } from './sim-node.js';
import { STREAM } from './sim-node.js';
import type { World } from './world.js';

const NODES_MAX = 3;
const HOUR_MS = 3_600_000;

interface Snapshot {
  readonly store: MemorySnapshot;
  readonly audit: AuditSnapshot | undefined;
}

export class Strikes {
  readonly #world: World;
  /** Strikes that come after so many effects, the next one last. */
  readonly #byEffects: PlannedStrike[] = [];
  readonly #snapshots: Snapshot[] = [];
  #effects = 0;
  #nextAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(world: World) {
    this.#world = world;
  }

  plan(): void {
    const { plan, time, random } = this.#world;
    for (const planned of plan.strikes) {
      if (planned.afterEffects === undefined) time.at(planned.atMs, OUTSIDE, () => this.#strike(planned.strike));
      else this.#byEffects.push(planned);
    }
    this.#byEffects.sort((a, b) => b.afterEffects! - a.afterEffects!);
    this.#expect();
    if (!plan.strikes.some(({ strike }) => strike === 'rollback' || strike === 'wipe')) return;
    this.#snapshot();
    for (let i = 0; i < 4; i++) time.at(random.between(0, plan.healMs), OUTSIDE, () => this.#snapshot());
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A process is about to have an effect. */
  effect(): void {
    if (++this.#effects < this.#nextAt) return;
    const { strike } = this.#byEffects.pop()!;
    this.#expect();
    this.#world.time.after(0, OUTSIDE, () => this.#strike(strike));
  }

  #expect(): void {
    this.#nextAt = this.#byEffects[this.#byEffects.length - 1]?.afterEffects ?? Number.POSITIVE_INFINITY;
  }

  #snapshot(): void {
    const { store, auditor } = this.#world;
    this.#snapshots.push({ store: store.snapshot(), audit: auditor?.snapshot() });
  }

  #strike(strike: Strike): void {
    if (this.#stopped) return;
    const { coverage, trace, time } = this.#world;
    const hit = this.#hit(strike);
    if (hit === undefined) return;
    coverage.add(strike);
    trace.note(time.now, hit, 'fault', strike, 0, 0);
  }

  /** Whom it hit; undefined if there was nothing to hit. */
  #hit(strike: Strike): string | undefined {
    switch (strike) {
      case 'store-down':
      case 'log-down':
      case 'coordinator-down':
      case 'slow':
        return this.#hitNetwork(strike);
      case 'rollback':
      case 'wipe':
      case 'lose-record':
        return this.#hitStore(strike);
      case 'purge':
      case 'hole':
      case 'lose-tail':
      case 'log-clock-jump':
        return this.#hitLog(strike);
      case 'scale':
        this.#world.cluster?.scale();
        return 'nodes';
      case 'roll':
        this.#world.cluster?.roll();
        return 'nodes';
      case 'second-node':
        if (this.#world.living.length >= NODES_MAX) return undefined;
        this.#world.startNode();
        return 'nodes';
      default: {
        const { living, random } = this.#world;
        if (living.length === 0) return undefined;
        const node = random.pick(living);
        return this.#hitNode(strike, node) ? node.process.name : undefined;
      }
    }
  }

  #hitNode(strike: Strike, node: SimNode): boolean {
    const { random, time } = this.#world;
    const { process } = node;
    switch (strike) {
      case 'crash':
        this.#world.die(process);
        return true;
      case 'crash-at-effect':
        process.effectsLeft = random.between(0, 40);
        return true;
      case 'kill-thread': {
        const threads = [...node.threads.threads.values()].filter(({ isAlive }) => isAlive);
        if (threads.length === 0) return false;
        const thread = random.pick(threads);
        if (random.chance(0.5)) thread.end(new Error('simulated'));
        else void node.node.killThread(thread.slot);
        return true;
      }
      case 'pause': {
        const until = time.now + random.pick(this.#world.plan.nodes > 0 ? [200, 1_000, 3_500] : [20, 200, 800]);
        process.pausedUntil = Math.max(process.pausedUntil, until);
        return true;
      }
      case 'cut-store':
      case 'cut-log':
      case 'cut-coordinator':
        process.cutUntil[strike.slice('cut-'.length) as Service] =
          time.now + random.between(10, this.#world.plan.nodes > 0 ? 3_000 : 600);
        return true;
      case 'drain':
        if (node.isDraining) return false;
        this.#world.drain(node);
        return true;
      case 'operate':
        void this.#world.operator.act(node);
        return true;
      case 'wall-jump':
        process.wallOffset += random.pick([-HOUR_MS, HOUR_MS]);
        return true;
      default:
        return false;
    }
  }

  #hitNetwork(strike: Strike): string {
    const { network, random, time } = this.#world;
    if (strike === 'slow') network.slowUntil = time.now + random.between(20, 400);
    else {
      const service = strike.slice(0, -'-down'.length) as Service;
      network.downUntil[service] = time.now + random.between(10, 600);
    }
    return 'network';
  }

  #hitStore(strike: Strike): string | undefined {
    const { store, auditor, random, plan } = this.#world;
    if (strike === 'lose-record') {
      const partition = random.between(0, plan.partitions - 1);
      store.loseRecord(partition);
      auditor?.lostRecord(partition);
      return 'store';
    }
    const snapshot = strike === 'wipe' ? this.#snapshots[0] : random.pick(this.#snapshots);
    if (snapshot === undefined) return undefined;
    // What came after it is gone for good: a store that goes back does not come forth again.
    this.#snapshots.length = this.#snapshots.indexOf(snapshot) + 1;
    store.rollback(snapshot.store);
    if (snapshot.audit !== undefined) auditor?.restore(snapshot.audit);
    return 'store';
  }

  #hitLog(strike: Strike): string | undefined {
    const { log, ledger, random, auditor } = this.#world;
    if (strike === 'log-clock-jump') {
      // Forward only where a tail is lost: what is new is then told by its time, and an operator knows that.
      const isLossy = this.#world.plan.strikes.some((planned) => planned.strike === 'lose-tail');
      this.#world.logOffset += random.between(isLossy ? 0 : -1_500, 1_500);
      return 'log';
    }
    const { first, last } = ledger;
    if (last < first) return undefined;
    switch (strike) {
      case 'purge': {
        const to = random.between(first + 1, last + 1);
        log.purge(STREAM, to);
        for (let sequence = first; sequence < to; sequence++) ledger.remove(sequence);
        break;
      }
      case 'hole': {
        // Near the end, where somebody may still want it.
        const sequence = random.between(Math.max(first, last - 20), last);
        if (!ledger.remove(sequence)) return undefined;
        log.remove(STREAM, sequence);
        break;
      }
      default: {
        const keep = random.between(Math.max(first - 1, last - 15), last - 1);
        log.loseTail(STREAM, keep);
        ledger.loseTail(keep);
        auditor?.lostTail();
      }
    }
    return 'log';
  }
}
