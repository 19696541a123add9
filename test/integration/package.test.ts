/** What `npm pack` makes, used by somebody who has nothing else: the command, the page and the library are all there. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeBinary } from '../support/node-binaries.js';
import { killCommands, run, start } from './cli-process.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const exec = promisify(execFile);

let dir: string;

/** The packed files as they lie in somebody's node_modules, beside the packages that Millrace needs. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-package-'));
  await exec('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', dir], { cwd: root });
  const [archive] = (await readdir(dir)).filter((name) => name.endsWith('.tgz'));
  const modules = join(dir, 'project', 'node_modules');
  await mkdir(modules, { recursive: true });
  await exec('tar', ['-xzf', join(dir, archive!), '-C', modules, '--transform', 's/^package/millrace/']);
  for (const name of await readdir(join(root, 'node_modules')))
    if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(modules, name));
});

afterAll(async () => {
  await killCommands();
  await rm(dir, { recursive: true, force: true });
});

it('serves the page with all its parts, and runs the handler of a project', async () => {
  const cwd = join(dir, 'project');
  await writeFile(
    join(cwd, 'count.mjs'),
    "import { defineActor } from 'millrace';\nexport const count = defineActor({ name: 'count', initial: () => 0, apply: (n) => n + 1 });\n",
  );
  const env = { MILLRACE_HTTP_PORT: '0', MILLRACE_PROBES_PORT: '0' };
  const entry = join(cwd, 'node_modules/millrace/dist/src/cli/main.js');
  const node = start(['run', '--sql', 'sqlite:data.sqlite', '--handler', './count.mjs'], { cwd, env, entry });
  const { url } = await node.event<{ url: string }>('node.ready');
  const html = await (await fetch(url)).text();
  for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g))
    expect((await fetch(url + path)).status, path).toBe(200);
  for (const [, path] of (await (await fetch(`${url}/dashboard/main.js`)).text()).matchAll(/from '\.(\/[^']*)'/g))
    expect((await fetch(`${url}/dashboard${path}`)).status, path).toBe(200);
  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);
});

it.each(['22.23.3', '24.21.0'])('runs on Node %s with the SQLite that is in it', async (version) => {
  const node = await nodeBinary(version);
  const cwd = join(dir, 'project');
  // What Node 20 needs instead; nothing of it may be used here.
  await rm(join(cwd, 'node_modules/libsql'), { force: true });
  const text =
    "import { defineActor } from 'millrace';\nexport const sum = defineActor({ name: 'sum', initial: () => 0, ";
  await writeFile(join(cwd, 'sum.mjs'), `${text}apply: (n, { data }) => n + data });\n`);
  const sql = ['--sql', `sqlite:node-${version}.sqlite`];
  const env = { MILLRACE_HTTP_PORT: '0', MILLRACE_PROBES_PORT: '0', MILLRACE_ORDER_MODE: 'none' };
  const entry = join(cwd, 'node_modules/millrace/dist/src/cli/main.js');
  const options = { cwd, env, entry, node };
  const running = start(['run', ...sql, '--handler', './sum.mjs'], options);
  await running.event('node.ready');
  for (const data of ['5', '37']) {
    const published = await run(['publish', 'account', '--data', data, ...sql], options);
    expect(published).toMatchObject({ code: 0, out: expect.stringMatching(/^EVENTS:/) });
    const got = await run(['get', 'account', '--after', published.out.trim(), '--json', ...sql], options);
    expect(JSON.parse(got.out)).toMatchObject({ state: data === '5' ? 5 : 42 });
  }
  running.child.kill('SIGTERM');
  expect((await running.ended()).code).toBe(0);
  const verified = await run(['verify', ...sql, '--handler', './sum.mjs'], options);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining('OK: 1 keys') });
});

it('has a library that another program imports', async () => {
  const text = "import * as door from 'millrace'; console.log(Object.keys(door).sort().join());";
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', text], { cwd: join(dir, 'project') });
  expect(stdout.trim().split(',')).toContain('createTestCluster');
});
