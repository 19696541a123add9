/** The places of a cluster: each has a node, started again when it is gone; places come and go, and are rolled. */

import { OUTSIDE } from '../../src/testing/virtual-time.js';
import type { SimProcess } from './process.js';
import type { World } from './world.js';

const NODES_MAX = 5;
/** How often a rolling restart looks whether it may go on, and how often at most. */
const ROLL_LOOK_MS = 50;
const ROLL_LOOKS_MAX = 60;

export class Cluster {
  readonly #world: World;
  readonly #restartMs: number;
  #wanted: number;
  #isOver = false;

  constructor(world: World, restartMs: number) {
    this.#world = world;
    this.#restartMs = restartMs;
    this.#wanted = world.plan.nodes;
    for (let pod = 0; pod < this.#wanted; pod++) world.startNode(pod);
  }

  /** Nodes that there should be. */
  get wanted(): number {
    return this.#wanted;
  }

  /** None is started any more. */
  end(): void {
    this.#isOver = true;
  }

  died(process: SimProcess): void {
    const { nodes, time, network } = this.#world;
    const pod = nodes.find((node) => node.process === process)?.pod;
    if (pod === undefined) return;
    time.after(network.delay(this.#restartMs), OUTSIDE, () => this.#ensure(pod));
  }

  /** One node more, or one less. */
  scale(): void {
    const { random } = this.#world;
    const isUp = this.#wanted === 1 || (this.#wanted < NODES_MAX && random.chance(0.5));
    if (isUp) this.#ensure(this.#wanted++);
    else {
      const node = this.#nodeOf(--this.#wanted);
      if (node !== undefined && !node.isDraining) this.#world.drain(node);
    }
  }

  /** Restarts one node after the other, each when the one before runs again. */
  roll(pod = 0, looks = 0): void {
    if (pod >= this.#wanted || looks > ROLL_LOOKS_MAX || this.#isOver) return;
    const { time } = this.#world;
    const isReady = Array.from({ length: this.#wanted }, (_, place) => this.#nodeOf(place)).every(
      (node) => node !== undefined && !node.isDraining && node.node.status().phase === 'running',
    );
    if (isReady) this.#world.drain(this.#nodeOf(pod)!);
    const next = isReady ? pod + 1 : pod;
    time.after(ROLL_LOOK_MS, OUTSIDE, () => this.roll(next, isReady ? 0 : looks + 1));
  }

  #nodeOf(pod: number) {
    return this.#world.living.find((node) => node.pod === pod);
  }

  #ensure(pod: number): void {
    if (!this.#isOver && pod < this.#wanted && this.#nodeOf(pod) === undefined) this.#world.startNode(pod);
  }
}
