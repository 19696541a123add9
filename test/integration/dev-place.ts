/** `millrace dev` as a developer starts it, in a directory of one test's own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { until } from '../support/until.js';
import { type CommandProcess, type CommandResult, killCommands, run, start } from './cli-process.js';

export interface Ready {
  readonly url: string;
  readonly probesUrl: string;
}

export interface Verdict {
  readonly ok: boolean;
  readonly keys: number;
  readonly events: number;
  readonly duplicates: number;
  readonly dead: Record<string, number>;
  readonly problems: readonly string[];
}

export class DevPlace {
  readonly cwd: string;
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  private constructor(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.cwd = cwd;
    this.#args = args;
    this.#env = env;
  }

  /** Whatever runs in it ends with the test. */
  static async open({ onTestFinished }: TestContext, mode: 'services' | 'embedded'): Promise<DevPlace> {
    const cwd = await mkdtemp(join(tmpdir(), `millrace-dev-${mode}-`));
    onTestFinished(async () => {
      await killCommands(cwd);
      await rm(cwd, { recursive: true, force: true });
    });
    return mode === 'services'
      ? new DevPlace(cwd, ['dev', '--services'], {})
      : new DevPlace(cwd, ['dev'], withoutServers(cwd));
  }

  /** For people. */
  run(...args: string[]): Promise<CommandResult> {
    return run([...this.#args, ...args], { cwd: this.cwd, env: this.#env });
  }

  /** For programs, with 400 events a second. */
  start(...args: string[]): CommandProcess {
    return start([...this.#args, '--json', '--rate', '400', ...args], { cwd: this.cwd, env: this.#env });
  }
}

/** Where no server can be found or fetched, if any is looked for. */
export function withoutServers(cwd: string): NodeJS.ProcessEnv {
  return { PATH: join(cwd, 'empty'), MILLRACE_CACHE: join(cwd, 'cache') };
}

export async function sumOf(url: string, counter: 'applied' | 'duplicates'): Promise<number> {
  const status = (await (await fetch(`${url}/v1/status`)).json()) as {
    partitions: { counters?: Record<typeof counter, number> }[];
  };
  return status.partitions.reduce((sum, { counters }) => sum + (counters?.[counter] ?? 0), 0);
}

/** Publishes by hand and reads it back, asks for what the demo does, and ends it; where it stores is in the flags. */
export async function expectLivingDemo(
  dev: CommandProcess,
  { url, probesUrl }: Ready,
  { publish, get }: Readonly<Record<'publish' | 'get', readonly string[]>>,
): Promise<void> {
  await until(async () => (await sumOf(url, 'duplicates')) > 5, 30_000, 'repeats that reach Millrace');
  const deposit = ['publish', 'by-hand', '--type', 'deposit', '--data', '{"amount":100}', ...publish];
  const receipt = (await run(deposit)).out.trim();
  const got = await run(['get', 'by-hand', ...get, '--after', receipt, '--wait', '30s', '--json']);
  expect(JSON.parse(got.out).state).toMatchObject({ balance: 100, deposits: 1 });
  const applied = async (): Promise<number | undefined> =>
    ((await (await fetch(`${url}/v1/state/account-7`)).json()) as { applied?: number }).applied;
  await until(async () => ((await applied()) ?? 0) > 0, 30_000, 'an event of the demo in the state of a key');
  expect((await fetch(`${probesUrl}/readyz`)).status).toBe(200);
  expect((await run(['status', '--url', url])).code).toBe(0);

  dev.child.kill('SIGINT');
  const { code } = await dev.ended();
  const verdict = await dev.event<Verdict>('verdict');
  expect(verdict).toMatchObject({ ok: true, problems: [] });
  expect(besideLate(verdict)).toEqual({});
  expect(verdict.keys).toBeGreaterThan(150);
  expect(verdict.duplicates).toBeGreaterThan(5);
  expect(code).toBe(0);
}

/**
 * What was set aside, without what came late: a machine that stands still for seconds makes the demo late by itself, and the
 * verdict accounts for that.
 */
export function besideLate({ dead }: Verdict): Record<string, number> {
  const { EVENT_LATE: _, ...others } = dead;
  return others;
}

/** Waits until the event is set aside, and says why it was. */
export async function reasonFor(url: string, id: string): Promise<string> {
  let reason: string | undefined;
  const look = async (): Promise<boolean> => {
    const { deadLetters } = (await (await fetch(`${url}/v1/dead-letters?limit=1000`)).json()) as {
      deadLetters: { id: string | null; code: string }[];
    };
    reason = deadLetters.find((letter) => letter.id === id)?.code;
    return reason !== undefined;
  };
  await until(look, 60_000, `a dead letter of ${id}`);
  return reason!;
}

/** What the first lines and the verdict say to people after `--seconds 6 --rate 50 --accounts 10`. */
export function expectForPeople({ code, out }: CommandResult, texts: readonly string[]): void {
  expect(code).toBe(0);
  for (const text of texts) expect(out).toContain(text);
  expect(out).toMatch(/^\d+\/s · applied \d+ · duplicates \d+ · late 0 · buffered \d+ · lag \d+ · checkpoint/m);
  expect(out).toMatch(
    /^OK: 10 keys, \d+ events published, \d+ duplicates? dropped, final state equals an independent fold$/m,
  );
}

/** Ends it with a verdict that finds one thing wrong, which `pattern` describes. */
export async function expectEvidence(dev: CommandProcess, pattern: RegExp): Promise<void> {
  dev.child.kill('SIGINT');
  expect((await dev.ended()).code).toBe(1);
  const { ok, problems } = await dev.event<Verdict>('verdict');
  expect(ok).toBe(false);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(pattern);
}

/** Its second signal ends it at once. */
export async function expectSecondSignal(dev: CommandProcess): Promise<void> {
  await until(() => !dev.child.kill('SIGINT') || dev.child.exitCode !== null, 10_000, 'the end');
  expect((await dev.ended()).code).toBe(130);
}
