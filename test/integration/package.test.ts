/** What `npm pack` makes, installed by somebody who has nothing else: the command, the page and the library are all there. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeBinary } from '../support/node-binaries.js';
import { untilStates } from '../support/until-states.js';
import { installInProject, type UserProject } from '../support/user-project.js';
import { killCommands, run, start } from './cli-process.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const exec = promisify(execFile);
const ports = { MILLRACE_HTTP_PORT: '0', MILLRACE_PROBES_PORT: '0' };

let project: UserProject;
let cwd: string;
let entry: string;

beforeAll(async () => {
  project = await installInProject();
  cwd = project.dir;
  entry = project.bin;
});

afterAll(async () => {
  await killCommands();
  await project?.remove();
});

it('has everything it needs, and nothing that is only for development', async () => {
  await exec('npm', ['ls', '--all', '--offline'], { cwd });
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<string, string>;
  const { stdout } = await exec(project.bin, ['--version'], { cwd });
  expect(`${name} ${stdout.trim()}`).toBe(`millrace ${version}`);
  const help = await exec(project.bin, ['--help'], { cwd });
  for (const command of ['dev', 'run', 'doctor', 'savepoint'])
    expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  const tarball = (await exec('find', ['node_modules/millrace', '-type', 'f'], { cwd })).stdout.split('\n');
  expect(tarball.filter((path) => /\/(?:test|\.millrace|\.ci)\/|\.test\.|tsbuildinfo/.test(path))).toEqual([]);
});

it('runs its demo to a verdict', async () => {
  const { code, out } = await run(['dev', '--seconds', '3'], { cwd, entry, env: ports });
  expect(out).toMatch(/^OK: .* final state equals an independent fold$/m);
  expect(code).toBe(0);
});

it('serves the page with all its parts, and runs the handler of a project', async () => {
  await writeFile(
    join(cwd, 'count.mjs'),
    "import { defineActor } from 'millrace';\nexport const count = defineActor({ name: 'count', initial: () => 0, apply: (n) => n + 1 });\n",
  );
  const node = start(['run', '--sql', 'sqlite:data.sqlite', '--handler', './count.mjs'], { cwd, env: ports, entry });
  const { url } = await node.event<{ url: string }>('node.ready');
  const html = await (await fetch(url)).text();
  for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g))
    expect((await fetch(url + path)).status, path).toBe(200);
  for (const [, path] of (await (await fetch(`${url}/dashboard/main.js`)).text()).matchAll(/from '\.(\/[^']*)'/g))
    expect((await fetch(`${url}/dashboard${path}`)).status, path).toBe(200);
  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);
});

it('has an example whose input gives what is written beside it', async () => {
  const dir = 'node_modules/millrace/examples/device-state';
  const sql = ['--sql', 'sqlite:devices.sqlite'];
  const options = { cwd, entry, env: { ...ports, MILLRACE_ORDER_IDLE: '100ms' } };
  const node = start(['run', ...sql, '--handler', `${dir}/device.mjs`, '--order-mode', 'sequence'], options);
  const { url } = await node.event<{ url: string }>('node.ready');
  expect(await run(['publish', ...sql, '--file', `${dir}/events.ndjson`], options)).toMatchObject({ code: 0 });
  const expected = JSON.parse(await readFile(join(cwd, dir, 'expected.json'), 'utf8')) as Record<string, unknown>;
  await untilStates(url, expected);
  node.child.kill('SIGTERM');
  expect((await node.ended()).code).toBe(0);
});

/** The handler of a project, and a program that uses every name of the public door; compiled against the package's types. */
const ORDERS = `
import { type ActorDefinition, type ApplyContext, type DefinedActor, defineActor, type Event } from 'millrace';

export interface Order { readonly total: number; readonly paid: boolean }
export interface Priced { readonly price: number }

const definition: ActorDefinition<Order, Priced> = {
  name: 'orders',
  initial: (key: string) => ({ total: key.length - key.length, paid: false }),
  apply(order: Order, event: Event<Priced>, context: ApplyContext): Order {
    if (event.type === 'paid') {
      context.emit('shipments.' + event.key, { total: order.total });
      return { ...order, paid: true };
    }
    return { ...order, total: order.total + event.data.price };
  },
};
export const orders: DefinedActor<Order, Priced> = defineActor(definition);
// @ts-expect-error: the next state is an order
defineActor<Order, Priced>({ ...definition, apply: () => 1 });
`;

const PROGRAM = `
import assert from 'node:assert/strict';
import {
  createNode, createPublisher, createTestCluster, MillraceError, parseReceipt,
  type EmbeddedNode, type ErrorCategory, type ErrorCode,
  type Fault, type Handler, type HandlerOptions, type KeyState, type LogLine, type NodeStatus, type Options,
  type OptionsInput, type Outcome, type Publisher, type PublisherOptions, type PublishEvent, type PublishReceipt,
  type Receipt, type Scenario, type TestCluster, type TestClusterOptions, type TestEvent,
} from 'millrace';

import { type Order, orders, type Priced } from './orders.js';

const handler: Handler<Order, Priced> = orders.create({} satisfies HandlerOptions);
assert.equal(handler.name, 'orders');

const settings: TestClusterOptions = { actor: orders, seed: 3 };
const cluster: TestCluster = createTestCluster(settings);
const faults: Fault[] = ['crash', { duplicates: 0.5 }];
const priced: TestEvent = { key: 'o', data: { price: 5 } };
const scenario: Scenario = cluster.given(priced, { key: 'o', type: 'paid' }).when(faults[0]!).when(faults[1]!);
await scenario.then(async (outcome: Outcome) => {
  assert.deepEqual(await outcome.state('o'), { total: 5, paid: true });
});

const refused: unknown = await createNode({ partitions: 0 }).catch((error: unknown) => error);
assert.ok(refused instanceof MillraceError);
const [code, category]: [ErrorCode, ErrorCategory] = [refused.code, refused.category];
assert.deepEqual([code, category], ['OPTIONS_INVALID', 'misuse']);

const input: OptionsInput = {
  sql: { url: 'sqlite:library.sqlite' }, handler: './build/orders.js', order: { settle: '10ms', idle: '20ms' },
  http: { port: 0 }, probes: { port: 0, host: '127.0.0.1' }, threads: 1, partitions: 4,
};
const threads: Options['threads'] = 1;
const lines: string[] = [];
const log: LogLine = (level, event) => lines.push(level + ' ' + event);
const node: EmbeddedNode = await createNode(input, { log });
await node.start();
const status: NodeStatus | undefined = node.status();
assert.deepEqual([status?.phase, threads], ['running', 1]);
const body = JSON.stringify({ key: 'o-1', id: 'e-1', data: { price: 7 } } satisfies PublishEvent<Priced>);
const headers = { 'content-type': 'application/json' };
const receipt = (await (await fetch(node.url + '/v1/events', { method: 'POST', headers, body })).json()) as PublishReceipt;
const after: Receipt = parseReceipt(receipt.stream + ':' + receipt.sequence + ':' + receipt.partition);
const read: KeyState = await node.get('o-1', { after, waitMs: 60_000 });
assert.deepEqual(read.state, { total: 7, paid: false });
await node.stop();
assert.ok(lines.includes('info node.ready'), lines.join());

const nowhere: PublisherOptions = { url: 'nats://127.0.0.1:1', partitions: 0 };
const publisher: Publisher | Error = await createPublisher(nowhere).catch((error: Error) => error);
assert.ok(publisher instanceof MillraceError && publisher.code === 'OPTIONS_INVALID', String(publisher));
console.log('done');
`;

it('has a library with types that a strict program compiles against, and that does what they say', async () => {
  const door = await readFile(join(cwd, 'node_modules/millrace/dist/src/index.d.ts'), 'utf8');
  const names = [...door.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list]) => list!.split(','));
  const used = [ORDERS, PROGRAM].map((text) => text.slice(0, text.indexOf("from 'millrace'"))).join();
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) expect(used).toMatch(new RegExp(`\\b${name.trim()}\\b`));
  await writeFile(join(cwd, 'orders.ts'), ORDERS);
  await writeFile(join(cwd, 'program.ts'), PROGRAM);
  const compilerOptions = {
    ...{ strict: true, module: 'nodenext', target: 'es2022' },
    outDir: 'build',
    types: ['node'],
  };
  await writeFile(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  const compiled = await exec(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', cwd], {
    cwd,
  }).catch(({ stdout }: { stdout: string }) => ({ stdout }));
  expect(compiled.stdout).toBe('');
  const { stdout } = await exec(process.execPath, ['build/program.js'], { cwd, timeout: 120_000 });
  expect(stdout).toBe('done\n');
  const list = "import * as door from 'millrace'; console.log(Object.keys(door).sort().join());";
  const values = (await exec(process.execPath, ['--input-type=module', '-e', list], { cwd })).stdout.trim().split(',');
  for (const value of values) expect(names.map((name) => name.trim())).toContain(value);
});

it.each(['22.23.3', '24.21.0'])('runs on Node %s with the SQLite that is in it', async (version) => {
  const node = await nodeBinary(version);
  // What Node 20 needs instead; nothing of it may be used here.
  await rm(join(cwd, 'node_modules/libsql'), { recursive: true, force: true });
  const text =
    "import { defineActor } from 'millrace';\nexport const sum = defineActor({ name: 'sum', initial: () => 0, ";
  await writeFile(join(cwd, 'sum.mjs'), `${text}apply: (n, { data }) => n + data });\n`);
  const sql = ['--sql', `sqlite:node-${version}.sqlite`];
  const options = { cwd, env: { ...ports, MILLRACE_ORDER_MODE: 'none' }, entry, node };
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
