/** A thread in every slot: a loss is reported and repaired, a crash loop ends the node (F2, F3). */
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.js';
import type { Clock } from '../../src/ports/clock.js';
import type { HostLink, Threads } from '../../src/ports/threads.js';
import type { HostToMain } from '../../src/protocol/messages.js';
import { Supervisor } from '../../src/runtime/supervisor.js';

/** Threads that end when the test says so, and timers that it fires. */
class Stage implements Threads, Clock {
  ms = 0;
  readonly said: string[] = [];
  readonly timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  readonly #ends = new Map<number, (error: Error | undefined) => void>();
  readonly #receivers = new Map<number, (message: HostToMain) => void>();
  readonly supervisor = new Supervisor(this, this, () => undefined, {
    opened: (slot) => this.said.push(`opened ${slot}`),
    received: (slot, { kind }) => this.said.push(`${kind} from ${slot}`),
    lost: (slot, error) => this.said.push(`lost ${slot}: ${error.message}`),
    gaveUp: ({ code }) => this.said.push(`gave up: ${code}`),
  });

  now = (): number => this.ms;
  elapsed = (): number => this.ms;
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.ms + ms, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  start(slot: number, receive: (message: HostToMain) => void): HostLink {
    this.said.push(`start ${slot}`);
    this.#receivers.set(slot, receive);
    const exited = new Promise<Error | undefined>((resolve) => this.#ends.set(slot, resolve));
    return { post: () => undefined, terminate: () => this.end(slot, new Error('terminated')), exited };
  }
  async close(): Promise<void> {}

  say(slot: number, message: HostToMain): void {
    this.#receivers.get(slot)!(message);
  }
  async end(slot: number, error?: Error): Promise<void> {
    this.#ends.get(slot)!(error);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  pass(ms: number): void {
    this.ms += ms;
    for (const timer of [...this.timers]) if (timer.at <= this.ms && this.timers.delete(timer)) timer.callback();
  }
  take(): string[] {
    return this.said.splice(0);
  }
}

describe('Supervisor', () => {
  it('F2: says that a thread was lost, with its error, and starts another', async () => {
    const stage = new Stage();
    stage.supervisor.start(0);
    stage.say(0, { kind: 'started' });
    expect(stage.take()).toEqual(['start 0', 'opened 0']);
    await stage.end(0, new Error('out of memory'));
    expect(stage.take()).toEqual(['lost 0: out of memory']);
    stage.pass(1_000);
    expect(stage.take()).toEqual(['start 0']);
    expect(stage.supervisor.restarts).toBe(1);
  });

  it('F2: a thread that just ends is lost too', async () => {
    const stage = new Stage();
    stage.supervisor.start(0);
    await stage.end(0);
    expect(stage.take()).toEqual(['start 0', 'lost 0: the thread ended']);
  });

  it('F2: a crash loop ends the node, crashes long ago do not', async () => {
    const stage = new Stage();
    stage.supervisor.start(0);
    const crash = async (): Promise<void> => {
      await stage.end(0, new Error('again'));
      stage.pass(5_000);
    };
    for (let n = 0; n < 4; n++) await crash();
    stage.pass(120_000);
    for (let n = 0; n < 5; n++) await crash();
    expect(stage.take()).not.toContain('gave up: THREAD_LOST');
    await crash();
    expect(stage.take()).toEqual(['lost 0: again', 'gave up: THREAD_LOST']);
  });

  it('a handler that cannot be loaded is not tried again', async () => {
    const stage = new Stage();
    stage.supervisor.start(0);
    await stage.end(0, new MillraceError('OPTIONS_INVALID', 'no such module'));
    stage.pass(60_000);
    expect(stage.take()).toEqual(['start 0', 'lost 0: no such module', 'gave up: OPTIONS_INVALID']);
  });

  it('a thread that never answers is ended and replaced; a drained one is not', async () => {
    const stage = new Stage();
    stage.supervisor.start(0);
    stage.pass(30_000);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(stage.take()).toEqual(['start 0', 'lost 0: terminated']);
    stage.supervisor.stop();
    stage.pass(60_000);
    expect(stage.take()).toEqual([]);
  });

  it('a thread that leaves five questions without a word makes no progress; one that is replaced has as long', async () => {
    const stage = new Stage();
    for (const slot of [0, 1]) stage.supervisor.start(slot);
    const ask = (times: number): boolean[] => Array.from({ length: times }, () => stage.supervisor.progress().isWhole);
    for (const slot of [0, 1]) stage.say(slot, { kind: 'started' });
    expect(ask(4)).toEqual([true, true, true, true]);
    stage.say(0, { kind: 'drained' });
    expect(ask(3)).toEqual([true, false, false]);
    expect([0, 1].map((slot) => stage.supervisor.isSilent(slot))).toEqual([false, true]);
    stage.say(1, { kind: 'drained' });
    expect(ask(1)).toEqual([true]);
    await stage.end(1, new Error('gone'));
    expect(stage.supervisor.isSilent(1)).toBe(true);
    stage.say(0, { kind: 'drained' });
    expect(ask(3)).toEqual([true, true, true]);
    stage.say(0, { kind: 'drained' });
    stage.pass(1_000);
    expect(ask(4)).toEqual([true, true, true, true]);
    expect(stage.supervisor.progress().reports).toBeGreaterThan(3);
  });
});
