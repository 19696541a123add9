/** The hosts of this node, one per slot: the link to each, what its thread reported last, and whether it has drained. */
import type { HostLink } from '../ports/threads.js';
import type { ThreadReport } from '../protocol/messages.js';

export class Hosts {
  /** Settles when every slot has had its first host. */
  readonly staffed: Promise<void>;
  readonly #slots: number;
  readonly #links = new Map<number, HostLink>();
  readonly #reports = new Map<number, ThreadReport>();
  readonly #drained = new Map<number, () => void>();
  #onStaffed: () => void = () => undefined;

  constructor(slots: number) {
    this.#slots = slots;
    this.staffed = new Promise((resolve) => {
      this.#onStaffed = resolve;
    });
  }

  get links(): ReadonlyMap<number, HostLink> {
    return this.#links;
  }

  get reports(): Iterable<ThreadReport> {
    return this.#reports.values();
  }

  opened(slot: number, link: HostLink): void {
    this.#links.set(slot, link);
    if (this.#links.size === this.#slots) this.#onStaffed();
  }

  /** Gives the link of the host that is gone. */
  lost(slot: number): HostLink | undefined {
    const link = this.#links.get(slot);
    this.#links.delete(slot);
    this.drained(slot);
    return link;
  }

  reported(slot: number, report: ThreadReport): void {
    this.#reports.set(slot, report);
  }

  /** Has every host save what it decided; settles when all have, or are gone. */
  async drain(): Promise<void> {
    const drained = [...this.#links].map(
      ([slot, link]) =>
        new Promise<void>((resolve) => {
          this.#drained.set(slot, resolve);
          void link.exited.then(() => resolve());
          link.post({ kind: 'drain' });
        }),
    );
    await Promise.all(drained);
  }

  drained(slot: number): void {
    this.#drained.get(slot)?.();
  }
}
