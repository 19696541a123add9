/** The guides, done as they say: every command of a `console` block is run, and what it prints is what stands there. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logEvents } from '../../src/observability/names.js';
import { generatedFiles } from '../../src/options/generated-files.js';
import { defaultOptions } from '../../src/options/resolve.js';
import { type OptionsInput, optionRows } from '../../src/options/types.js';
import { Cluster } from '../support/cluster.js';
import { until } from '../support/until.js';
import { untilStates } from '../support/until-states.js';
import { killCommands, run, start } from './cli-process.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'millrace-docs-'));
  await mkdir(join(cwd, 'node_modules'));
  await symlink(root, join(cwd, 'node_modules', 'millrace'));
  await cp(join(root, 'examples'), join(cwd, 'examples'), { recursive: true });
});

afterAll(async () => {
  await killCommands();
  await rm(cwd, { recursive: true, force: true });
});

/** Lines that stand for any text where they have `…`; a line that is only `…` stands for any lines. */
function pattern(shown: string): RegExp {
  const lines = shown.trimEnd().split('\n');
  const escaped = lines.map((line) =>
    line === '…'
      ? '[\\s\\S]*?'
      : line
          .split('…')
          .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*?'),
  );
  return new RegExp(`^${escaped.join('\\n*')}\\s*$`, 's');
}

describe('the pages', async () => {
  const names = (await readdir(join(root, 'docs')))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);

  it.each(names)('%s names files that exist', async (name) => {
    for (const [, path] of (await page(name)).matchAll(/\]\(([^)#]+)\)/g))
      if (!path!.startsWith('http')) await readFile(join(root, 'docs', path!));
  });

  it.each([...names, 'README.md'])(
    '%s names options and log events that exist, with values that are taken',
    async (name) => {
      const sections = new Set(
        [...optionRows.keys()].flatMap((path) => (path.includes('.') ? [path.split('.')[0]!] : [])),
      );
      for (const [, path, value] of (await page(name)).matchAll(/`([a-z]+\.[A-Za-z]+)(?:: ([^`]+))?`/g)) {
        const [section, option] = path!.split('.') as [string, string];
        if (!sections.has(section) || path! in logEvents) continue;
        expect([...optionRows.keys()]).toContain(path);
        if (value !== undefined) defaultOptions({ [section]: { [option]: value } } as OptionsInput);
      }
    },
  );

  it.each(names)('%s: its programs run', async (name) => {
    for (const [at, [, program]] of [...(await page(name)).matchAll(/```js\n([\s\S]*?)```/g)].entries()) {
      const file = join(cwd, `${basename(name)}-${at}.mjs`);
      await writeFile(file, program!);
      await promisify(execFile)(process.execPath, [file], { cwd });
    }
  });

  it('docs/errors.md is the error table: npm run generate', async () => {
    for (const { path, text } of generatedFiles()) expect(await page(path), path).toBe(text);
  });
});

describe('operations and production', () => {
  let cluster: Cluster;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    cluster = await Cluster.start();
    env = {
      NATS_URL: cluster.nats.url,
      REDIS_URL: cluster.redis.url,
      MILLRACE_HANDLER: 'ledger',
      MILLRACE_LIMITS_DEAD_LETTERS: '2',
      MILLRACE_ORDER_SETTLE: '100ms',
      MILLRACE_ORDER_IDLE: '100ms',
      MILLRACE_HTTP_PORT: '0',
      MILLRACE_PROBES_PORT: '0',
    };
    expect(await run(['provision'], { env, cwd })).toMatchObject({ code: 0 });
    const node = start(['run'], { env, cwd });
    const { url } = await node.event<{ url: string }>('node.ready');
    env.MILLRACE_URL = url;
    env.NODE_PID = String(node.child.pid);
    const wrong = { type: 'transfer', data: { amount: 1 } };
    const lines = [
      { key: 'ann', id: 't-1', type: 'deposit', data: { amount: 10_000 } },
      { key: 'ann', id: 't-2', type: 'withdrawal', data: { amount: 3_000 } },
      { key: 'bob', id: 't-3', ...wrong },
      { key: 'bob', id: 't-4', type: 'deposit', data: { amount: 5 } },
      { key: 'bob', id: 't-5', type: 'deposit', data: { amount: 5 } },
      { key: 'carol', id: 't-6', ...wrong },
      { key: 'carol', id: 't-7', ...wrong },
      { key: 'carol', id: 't-8', ...wrong },
      { key: 'bob', id: 't-9', type: 'withdrawal', data: { amount: 5 } },
    ];
    const input = lines.map((line) => JSON.stringify({ time: 1_772_000_000_000, ...line })).join('\n');
    expect(await run(['publish', '--file', '-'], { env, cwd, input })).toMatchObject({ code: 0, err: '' });
    await node.event('partition.halted');
    await until(
      async () => ((await (await fetch(`${url}/v1/keys/bob`)).json()) as { applied: number }).applied === 3,
      30_000,
      'three events of bob',
    );
  });

  afterAll(async () => {
    await killCommands();
    await cluster.stop();
  });

  // The operations guide comes last: it stops the node.
  it.each(['docs/production.md', 'docs/choosing.md', 'docs/operations.md'])('%s', async (name) => {
    const blocks = [...(await page(name)).matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block]) =>
      block!.split(/^\$ /m).slice(1),
    );
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      const [command, ...shown] = block.split('\n');
      const out = command!.startsWith('millrace ')
        ? (await run(command!.split(' ').slice(1), { env, cwd })).out
        : (await promisify(execFile)('bash', ['-c', command!], { env: { ...process.env, ...env }, cwd })).stdout;
      expect(out, `${name}: ${command}`).toMatch(pattern(shown.join('\n')));
    }
  });
});

describe('the examples', async () => {
  const sections = (await page('docs/examples.md')).split(/^## /m).slice(1);

  it.each(sections.map((text) => [text.split('\n')[0]!, text] as const))('%s', async (_, text) => {
    const lines = /```sh\n([\s\S]*?)```/.exec(text)![1]!.trim().split('\n');
    const words = (line: string): string[] => line.replace(/^npx millrace /, '').split(' ');
    const ports = { MILLRACE_HTTP_PORT: '0', MILLRACE_PROBES_PORT: '0', MILLRACE_ORDER_IDLE: '100ms' };
    const node = start(words(lines[0]!), { cwd, env: ports });
    const { url } = await node.event<{ url: string }>('node.ready');
    if (lines[1]!.startsWith('curl')) {
      const command = lines[1]!.replace('localhost:4480', url.slice('http://'.length));
      await promisify(execFile)('bash', ['-c', command], { cwd });
    } else expect(await run(words(lines[1]!), { cwd })).toMatchObject({ code: 0 });
    const dir = /examples\/([a-z-]+)\//.exec(text)![1]!;
    const expected = JSON.parse(await page(`examples/${dir}/expected.json`)) as Record<string, unknown>;
    await untilStates(url, expected);
    node.child.kill('SIGTERM');
    await node.ended();
    const key = words(lines[2]!)[1]!;
    const read = await run([...words(lines[2]!), '--json'], { cwd });
    expect(JSON.parse(read.out)).toMatchObject({ key, state: expected[key] });
  });
});
