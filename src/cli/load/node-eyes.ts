/**
 * What a load sees of the node while it runs: how far behind it is, and how long sampled events take until they are applied
 * and until they are durable. It asks over HTTP, as any reader would; one question costs more with every question that is
 * open, so the time between two about the same event grows with its age, and what is measured is at most a tenth too long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../../errors.js';
import type { StatusView } from '../../http/status-view.js';
import type { KeyState } from '../../runtime/state-reader.js';
import { askNode, type NodeAddress } from '../ask-node.js';
import { Latency } from './latency.js';
import { type Sample, sharedNow } from './publishing-messages.js';

/** The decisions of `GET /v1/events/{id}`. */
interface EventAnswer {
  readonly decisions: readonly { readonly decision: string }[];
  readonly keepsIds: boolean;
}

const ASK_MS_MIN = 3;
const AGE_SHARE = 0.05;
/** Samples that are followed at once; of more the oldest would disturb what they measure. */
const OPEN_MAX = 100;
/** An event that is not durable after this time is no longer followed. */
const FOLLOW_MS = 120_000;

export class NodeEyes {
  readonly applied = new Latency();
  readonly durable = new Latency();
  /** Sampled events that were set aside or that did not become durable in time. */
  lost = 0;
  readonly #address: NodeAddress;
  readonly #open = new Set<Promise<void>>();
  #isClosed = false;

  constructor(address: NodeAddress) {
    this.#address = address;
  }

  /** The node's status. Throws NODE_UNREACHABLE. */
  async status(): Promise<StatusView> {
    return (await askNode<StatusView>(this.#address, '/v1/status')).body;
  }

  /** State of a key, once the event is reflected; undefined where no event of it was applied. */
  async state(key: string, after?: Pick<Sample, 'stream' | 'sequence' | 'partition'>): Promise<KeyState | undefined> {
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
    const followed = this.#follow(sample).finally(() => this.#open.delete(followed));
    this.#open.add(followed);
  }

  /** Waits for the samples that are open, at most `ms`; then nothing more is asked. */
  async close(ms: number): Promise<void> {
    const controller = new AbortController();
    const late = delay(ms, undefined, { signal: controller.signal }).catch(() => undefined);
    await Promise.race([Promise.all(this.#open), late]);
    controller.abort();
    this.#isClosed = true;
    await Promise.all(this.#open);
  }

  async #follow(sample: Sample): Promise<void> {
    const { scheduledAt } = sample;
    try {
      const applied = await this.#until(scheduledAt, () => this.#isApplied(sample));
      if (applied === 'yes') this.applied.add((sharedNow() - scheduledAt) * 1_000);
      const durable = applied === 'lost' ? 'lost' : await this.#until(scheduledAt, () => this.#isDurable(sample));
      if (durable === 'yes') this.durable.add((sharedNow() - scheduledAt) * 1_000);
      else this.lost++;
    } catch {
      this.lost++; // the node is away; that the audit finds
    }
  }

  async #until(
    since: number,
    look: () => Promise<'yes' | 'no' | 'unknown' | 'lost'>,
  ): Promise<'yes' | 'unknown' | 'lost'> {
    for (;;) {
      const seen = await look();
      if (seen !== 'no') return seen;
      const age = sharedNow() - since;
      if (this.#isClosed || age > FOLLOW_MS) return 'lost';
      await delay(Math.max(ASK_MS_MIN, age * AGE_SHARE));
    }
  }

  async #isApplied({ id, key }: Sample): Promise<'yes' | 'no' | 'unknown' | 'lost'> {
    const path = `/v1/events/${encodeURIComponent(id)}?key=${encodeURIComponent(key)}`;
    const { body } = await askNode<EventAnswer>(this.#address, path, NOT_YET);
    const decisions = body.decisions.map(({ decision }) => decision);
    if (decisions.includes('applied')) return 'yes';
    if (!body.keepsIds) return 'unknown';
    return decisions.some((decision) => decision === 'dead' || decision === 'late') ? 'lost' : 'no';
  }

  async #isDurable(sample: Sample): Promise<'yes' | 'no'> {
    try {
      await askNode(this.#address, `/v1/state/${encodeURIComponent(sample.key)}?after=${receiptOf(sample)}&wait=1ms`);
      return 'yes';
    } catch (error) {
      if (codeOf(error) === 'NOT_REFLECTED') return 'no';
      if (codeOf(error) === 'NOT_FOUND') return 'yes'; // decided and stored, and not applied
      throw error;
    }
  }
}

const NOT_YET = { answers: { status: 404, field: 'decisions' } } as const;

const receiptOf = ({ stream, sequence, partition }: Pick<Sample, 'stream' | 'sequence' | 'partition'>): string =>
  `${stream}:${sequence}:${partition}`;
