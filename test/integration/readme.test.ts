/** The README, done as it says: its table, its example, its commands and its requests, on real servers. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StatusView } from '../../src/http/status-view.js';
import { Cluster } from '../support/cluster.js';
import { until } from '../support/until.js';
import { killCommands, run, start } from './cli-process.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const readme = await readFile(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, code]) => ({
  language,
  code: code!,
}));

/** The `npx millrace …` lines of the README as arguments, comments and shell quotes taken off. */
const commands = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap(({ code }) => code.split('\n'))
  .filter((line) => line.startsWith('npx millrace '))
  .map((line) =>
    [...line.replace(/\s+#.*/, '').matchAll(/'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2]!).slice(2),
  );

const commandOf = (name: string, word = ''): string[] =>
  commands.find((words) => words[0] === name && words.join(' ').includes(word))!;

let cluster: Cluster;
let cwd: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  cluster = await Cluster.start();
  cwd = await mkdtemp(join(tmpdir(), 'millrace-readme-'));
  await mkdir(join(cwd, 'node_modules'));
  await symlink(root, join(cwd, 'node_modules', 'millrace'));
  env = {
    NATS_URL: cluster.nats.url,
    REDIS_URL: cluster.redis.url,
    MILLRACE_HTTP_PORT: '0',
    MILLRACE_PROBES_PORT: '0',
  };
});

afterAll(async () => {
  await killCommands();
  await cluster.stop();
  await rm(cwd, { recursive: true, force: true });
});

it('names for every line of the guarantee the tests that prove it', async () => {
  const rows = /\| promised \|[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)/.exec(readme)![1]!.trim().split('\n');
  expect(rows.length).toBeGreaterThan(7);
  for (const row of rows) {
    const tests = [...row.matchAll(/\]\((test\/[^)]+\.test\.ts)\)/g)].map(([, path]) => path!);
    expect(tests.length, row).toBeGreaterThan(0);
    for (const path of tests) expect(await readFile(join(root, path), 'utf8'), path).toMatch(/\bit(?:\.\w+)*\(/);
  }
});

it('names files that exist, and headings that they have', async () => {
  for (const [, path, anchor] of readme.matchAll(/\]\(([^)#]+)(?:#([^)]+))?\)/g)) {
    if (path!.startsWith('http')) continue;
    const text = await readFile(join(root, path!), 'utf8');
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    if (anchor !== undefined) expect(headings, path).toContain(anchor);
  }
});

it('provisions, runs the example, publishes, and shows the state, from the command line and over HTTP', async () => {
  const example = blocks.find(({ code }) => code.startsWith('// orders.mjs'))!;
  await writeFile(join(cwd, 'orders.mjs'), example.code);

  expect(await run(commandOf('provision'), { cwd, env })).toMatchObject({ code: 0 });
  const node = start(commandOf('run', 'orders.mjs'), { cwd, env });
  const { url } = await node.event<{ url: string }>('node.ready');

  const published = await run(commandOf('publish'), { cwd, env });
  expect(published).toMatchObject({ code: 0, out: expect.stringMatching(/^EVENTS:1:\d+\n$/) });
  const seen = await run([...commandOf('get'), '--after', published.out.trim(), '--wait', '20s', '--json'], {
    cwd,
    env,
  });
  expect(JSON.parse(seen.out)).toMatchObject({ state: { status: 'new', items: 1, total: 1250 }, applied: 1 });

  const request = blocks.find(({ code }) => code.startsWith('curl'))!.code;
  const body = /-d '([^']*)'/.exec(request)![1]!;
  const receipt = /^# (\{.*\})$/m.exec(request)![1]!;
  const posted = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(await posted.json()).toEqual(JSON.parse(receipt));
  const path = /'localhost:4480(\/v1\/state\/[^']*)'/.exec(request)![1]!;
  const state = await fetch(`${url}${path}&wait=20s`);
  expect(await state.json()).toMatchObject({ state: { status: 'paid', items: 1, total: 1250 }, applied: 2 });
  const event = /'localhost:4480(\/v1\/events\/[^']*)'/.exec(request)![1]!;
  const decided = (await (await fetch(`${url}${event}`)).json()) as { decisions: { decision: string }[] };
  expect(decided.decisions.map(({ decision }) => decision)).toEqual(['applied']);

  const field = /HGET '([^']*)' (\S+)/.exec(readme)!;
  const stored = await cluster.db.hget(field[1]!, field[2]!);
  expect(JSON.parse(stored!)).toMatchObject({ state: { status: 'paid' } });

  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);
});

it('loads a node, and the audit finds nothing wrong', async () => {
  const own = { ...env, MILLRACE_APP: 'load' };
  expect(await run(commandOf('provision'), { cwd, env: own })).toMatchObject({ code: 0 });
  const node = start(['run'], { cwd, env: own });
  const { url } = await node.event<{ url: string }>('node.ready');
  // The stream holds what was published above, and the load counts what is decided from its beginning on.
  const earlier = await cluster.lastSequence('EVENTS');
  const isDecided = async (): Promise<boolean> => {
    const { partitions } = (await (await fetch(`${url}/v1/status`)).json()) as StatusView;
    return partitions.reduce((sum, { counters }) => sum + (counters?.applied ?? 0), 0) === earlier;
  };
  await until(isDecided, 20_000, 'the earlier events are applied');
  const loaded = await run([...commandOf('load'), '--url', url], { cwd, env: own });
  expect(loaded.out).toMatch(/^6,000 events acknowledged/);
  expect(loaded.out).not.toContain('FOUND');
  expect(loaded.out).toMatch(/^OK +states: /m);
  expect(loaded.code).toBe(0);
  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);
});

it('starts the demo as it says, without and with servers, and both end with the line that is shown', async () => {
  const shown = /^OK: .*$/m.exec(readme)![0].replaceAll(/[\d,]+/g, '[\\d,]+');
  const lines = blocks.flatMap(({ code }) => code.split('\n')).filter((line) => line.includes('npm start'));
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    const [, flags = ''] = line.split('npm start --');
    const args = ['dev', '--seconds', '3', ...flags.split(' ').filter((word) => word !== '')];
    const { code, out } = await run(args, { cwd });
    expect(code).toBe(0);
    expect(out).toMatch(line.includes('--services') ? /^Services mode/ : /^Embedded mode/);
    expect(out).toMatch(new RegExp(`^${shown.replace(', final', '.*, final')}$`, 'm'));
  }
});

it('the test of the example passes', async () => {
  const test = blocks.find(({ code }) => code.startsWith('// orders.test.mjs'))!;
  await writeFile(join(cwd, 'orders.mjs'), blocks.find(({ code }) => code.startsWith('// orders.mjs'))!.code);
  await writeFile(join(cwd, 'orders.test.mjs'), test.code);
  await promisify(execFile)(process.execPath, ['orders.test.mjs'], { cwd });
});

it('prints the configuration', async () => {
  const printed = await run(commandOf('config') ?? ['config'], { cwd, env });
  expect(printed).toMatchObject({ code: 0, out: expect.stringContaining('order.settle') });
});
