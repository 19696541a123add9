/**
 * The person who looks after quarantined keys and dead letters: asks nodes what there is, and has them release, skip,
 * edit or forget it, at bad moments too.
 *
 * Keeps what was asked, because what only an operator may bring about must not happen without one.
 */
import { codeOf } from '../../src/errors.js';
import type { QuarantinedKey, Question } from '../../src/protocol/messages.js';
import type { Deed } from './history-handler.js';
import type { SimNode } from './sim-node.js';
import { bodyOf } from './workload.js';
import type { World } from './world.js';

/** A body that an operator has put in an event's place. */
export interface Edit {
  readonly n: number;
  readonly id: string;
  readonly deed: Deed;
  readonly body: string;
}

/** Numbers of edited bodies begin here; published ones stay below. */
const EDITS_FROM = 50_000;

export class Operator {
  readonly #world: World;
  /** Partitions and keys that were ever asked to change. */
  readonly #asked = new Set<string>();
  /** By key. */
  readonly #edits = new Map<string, Edit[]>();
  readonly #discarded = new Set<string>();
  #count = 0;

  constructor(world: World) {
    this.#world = world;
  }

  hasAsked(partition: number, key: string): boolean {
    return this.#asked.has(`${partition}/${key}`);
  }

  editsOf(key: string): readonly Edit[] {
    return this.#edits.get(key) ?? [];
  }

  hasDiscarded(partition: number, sequence: string): boolean {
    return this.#discarded.has(`${partition}/${sequence}`);
  }

  /** Does something about one partition, if there is anything to do. */
  async act(node: SimNode): Promise<void> {
    const { random, plan } = this.#world;
    const partition = random.between(0, plan.partitions - 1);
    const keys = await this.#quarantined(node, partition);
    const action = random.pick(['release', 'skip', 'edit', 'discard'] as const);
    if (keys.length === 0 || action === 'discard') await this.#discard(node, partition);
    else await this.#change(node, partition, random.pick(keys), action);
  }

  /** Ends quarantines, one event of each key a call. */
  async clear(node: SimNode): Promise<void> {
    const { random, plan } = this.#world;
    for (let partition = 0; partition < plan.partitions; partition++)
      for (const key of await this.#quarantined(node, partition))
        await this.#change(node, partition, key, random.chance(0.7) ? 'skip' : 'edit');
  }

  async #quarantined(node: SimNode, partition: number): Promise<readonly QuarantinedKey[]> {
    const answer = await this.#ask(node, partition, { kind: 'quarantined' });
    return answer?.kind === 'quarantined' ? answer.keys : [];
  }

  async #change(
    node: SimNode,
    partition: number,
    found: QuarantinedKey,
    action: 'release' | 'skip' | 'edit',
  ): Promise<void> {
    const { key } = found;
    this.#asked.add(`${partition}/${key}`);
    if (action !== 'edit') await this.#ask(node, partition, { kind: action, key });
    else await this.#ask(node, partition, { kind: 'edit', key, body: this.#edit(found) });
  }

  #edit({ key, sequence }: QuarantinedKey): string {
    const { ledger, random } = this.#world;
    const n = EDITS_FROM + ++this.#count;
    const said = ledger.at(sequence)?.publish.said;
    const id = said?.id ?? `x${n}`;
    const deed = random.chance(0.8) ? 'add' : 'throw';
    const body = bodyOf(n, { id, time: said?.time, number: said?.number, deed });
    this.#edits.set(key, [...this.editsOf(key), { n, id, deed, body }]);
    return body;
  }

  async #discard(node: SimNode, partition: number): Promise<void> {
    const { store, random } = this.#world;
    const letters = await store.deadLetters(partition, 0, 100);
    if (letters.length === 0) return;
    const { sequence } = JSON.parse(random.pick(letters)) as { sequence: number };
    this.#discarded.add(`${partition}/${sequence}`);
    await this.#ask(node, partition, { kind: 'discard-letter', sequence });
  }

  async #ask(node: SimNode, partition: number, question: Question) {
    const { trace, time, coverage } = this.#world;
    trace.note(time.now, 'operator', 'ask', question.kind, partition, 0);
    try {
      const answer = await node.node.ask(partition, question);
      coverage.add(`operator: ${question.kind} ${answer.kind === 'changed' && answer.again ? 'again' : answer.kind}`);
      return answer;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'BUG') this.#world.violate('bug', `${question.kind}: ${String(error)}`);
      coverage.add(`operator: ${question.kind} ${code}`);
      return undefined;
    }
  }
}
