/**
 * What a load sees of the node while it runs: how far behind it is, and how long sampled events take until they are applied
 * and until they are durable. It asks over HTTP, as any reader would. A question about an event is there before the event and
 * waits for it, and the answer says how long ago things happened: what is measured is too long by the way of the answer.
 * Only an event that is applied before its question comes counts from the question.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../../errors.js';
import type { StatusView } from '../../http/status-view.js';
import type { Waited } from '../../protocol/messages.js';
import type { KeyState, Receipt } from '../../runtime/state-reader.js';
import { askNode, type NodeAddress } from '../ask-node.js';
import { Latency } from './latency.js';
import type { LoadResult } from './load-result.js';
import { type Sample, type SampleStored, sharedNow } from './publishing-messages.js';

/** The decisions of `GET /v1/events/{id}`. */
interface EventAnswer {
  readonly decisions: readonly { readonly decision: string }[];
  readonly keepsIds: boolean;
  readonly waited?: Waited;
}

/** A sample whose question is open. */
interface Followed {
  readonly sample: Sample;
  readonly stored: Promise<SampleStored>;
  readonly tellStored: (stored: SampleStored) => void;
  readonly controller: AbortController;
}

/** Samples that are followed at once: each has a connection of its own. */
const OPEN_MAX = 250;
/** An event that is not durable after this time is no longer followed. */
const FOLLOW_MS = 120_000;
/** A node lets no question wait for longer than a minute. */
const WAIT_MS = 30_000;

export class NodeEyes {
  readonly #applied = new Latency();
  readonly #durable = new Latency();
  /** From the acknowledgement until applied. */
  readonly #node = new Latency();
  /** Sampled events that were set aside or that did not become durable in time. */
  lost = 0;
  readonly #address: NodeAddress;
  readonly #followed = new Map<string, Followed>();
  readonly #open = new Set<Promise<void>>();

  constructor(address: NodeAddress) {
    this.#address = address;
  }

  report(): Pick<LoadResult['latencyMs'], 'applied' | 'durable' | 'node'> {
    return { applied: this.#applied.report(), durable: this.#durable.report(), node: this.#node.report() };
  }

  /** The node's status. Throws NODE_UNREACHABLE. */
  async status(): Promise<StatusView> {
    return (await askNode<StatusView>(this.#address, '/v1/status')).body;
  }

  /** State of a key, once the event is reflected; undefined where no event of it was applied. */
  async state(key: string, after?: Receipt): Promise<KeyState | undefined> {
    const receipt = after === undefined ? '' : `?after=${receiptOf(after)}&wait=5s`;
    try {
      return (await askNode<KeyState>(this.#address, `/v1/state/${encodeURIComponent(key)}${receipt}`)).body;
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Follows an event to the end, unless too many are followed. */
  follow(sample: Sample): void {
    if (this.#open.size >= OPEN_MAX) return;
    let tellStored = (_: SampleStored): void => undefined;
    const stored = new Promise<SampleStored>((resolve) => {
      tellStored = resolve;
    });
    const followed = { sample, stored, tellStored, controller: new AbortController() };
    this.#followed.set(sample.id, followed);
    const done = this.#follow(followed)
      .catch(() => {
        // The node is away. What was never stored is counted elsewhere.
        if (followed.controller.signal.reason !== NOT_STORED) this.lost++;
      })
      .finally(() => {
        this.#open.delete(done);
        this.#followed.delete(sample.id);
      });
    this.#open.add(done);
  }

  /** A sample was acknowledged, or failed. */
  stored(id: string, stored: SampleStored | undefined): void {
    const followed = this.#followed.get(id);
    if (stored === undefined) followed?.controller.abort(NOT_STORED);
    else followed?.tellStored(stored);
  }

  /** Waits for the samples that are open, at most `ms`; then nothing more is asked. */
  async close(ms: number): Promise<void> {
    const controller = new AbortController();
    const late = delay(ms, undefined, { signal: controller.signal }).catch(() => undefined);
    await Promise.race([Promise.all(this.#open), late]);
    controller.abort();
    for (const followed of this.#followed.values()) followed.controller.abort();
    await Promise.all(this.#open);
  }

  async #follow(followed: Followed): Promise<void> {
    const { sample, controller } = followed;
    const path = `/v1/events/${encodeURIComponent(sample.id)}?key=${encodeURIComponent(sample.key)}`;
    const options = { answers: { status: 404, field: 'decisions' }, waitMs: WAIT_MS, signal: controller.signal };
    // Two questions, since when a checkpoint is stored everybody is busy, and the answer would take its time.
    for (let until: 'decided' | 'durable' = 'decided'; sharedNow() - sample.scheduledAt < FOLLOW_MS; ) {
      const { body } = await askNode<EventAnswer>(this.#address, `${path}&wait=${WAIT_MS}ms&until=${until}`, options);
      const answeredAt = sharedNow();
      if (!body.keepsIds) return this.#followStored(followed);
      const msAgo = until === 'decided' ? body.waited?.decidedMsAgo : body.waited?.durableMsAgo;
      if (typeof msAgo !== 'number') continue;
      if (!body.decisions.some(({ decision }) => decision === 'applied')) break;
      if (until === 'durable') {
        this.#durable.add((answeredAt - msAgo - sample.scheduledAt) * 1_000);
        return;
      }
      void this.#noteApplied(followed, answeredAt - msAgo);
      until = 'durable';
    }
    this.lost++;
  }

  async #noteApplied({ sample, stored }: Followed, appliedAt: number): Promise<void> {
    this.#applied.add((appliedAt - sample.scheduledAt) * 1_000);
    // It may be applied before its publisher hears that it is stored.
    const { at } = await stored;
    this.#node.add(Math.max(0, appliedAt - at) * 1_000);
  }

  /** Where ids are not kept only its place tells when it is durable. */
  async #followStored({ sample, stored, controller }: Followed): Promise<void> {
    const { key, partition, scheduledAt } = sample;
    const receipt = receiptOf({ ...(await stored), partition });
    const path = `/v1/state/${encodeURIComponent(key)}?after=${receipt}&wait=${WAIT_MS}ms`;
    while (sharedNow() - scheduledAt < FOLLOW_MS) {
      try {
        await askNode(this.#address, path, { waitMs: WAIT_MS, signal: controller.signal });
      } catch (error) {
        if (codeOf(error) === 'NOT_REFLECTED') continue;
        if (codeOf(error) !== 'NOT_FOUND') throw error; // that is: decided and stored, and not applied
      }
      this.#durable.add((sharedNow() - scheduledAt) * 1_000);
      return;
    }
    this.lost++;
  }
}

const NOT_STORED = new Error('the event was not stored');

const receiptOf = ({ stream, sequence, partition }: Receipt): string => `${stream}:${sequence}:${partition}`;
