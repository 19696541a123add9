/** A copy of what Redis has on its disk, and the way back to it: everything since the copy is then lost. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningServer } from '../../src/services/server-process.js';

export class RedisCopy {
  readonly #redis: RunningServer;

  constructor(redis: RunningServer) {
    this.#redis = redis;
  }

  /** Keeps what is on the disk now; nodes see an outage. */
  async keep(): Promise<void> {
    await this.#redis.stop();
    await rm(this.#copy, { recursive: true, force: true });
    await cp(this.#data, this.#copy, { recursive: true });
    await this.#redis.restart();
  }

  /** Everything since `keep` is gone. `whileAway`: what happens before Redis answers again. */
  async loseTail(whileAway: () => void = () => undefined): Promise<void> {
    await this.#redis.kill();
    await rm(this.#data, { recursive: true });
    await cp(this.#copy, this.#data, { recursive: true });
    whileAway();
    await this.#redis.restart();
  }

  get #data(): string {
    return join(this.#redis.dir, 'appendonlydir');
  }

  get #copy(): string {
    return join(this.#redis.dir, 'copy');
  }
}
