/**
 * The servers of a developer machine, with real programs: fetched from the distribution's packages, started, crashed,
 * paused and stopped. Where the machine has no apt and no servers, only the tests that need neither run.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.js';
import { ownSources, parseLines, parseStanzas, renderSources } from '../../src/services/apt-sources.js';
import { locateServer, locateServers, type ServerBinary } from '../../src/services/binaries.js';
import { freePort } from '../../src/services/free-port.js';
import { startNatsServer } from '../../src/services/nats-server.js';
import { converse } from '../../src/services/probe.js';
import { startRedisServer } from '../../src/services/redis-server.js';
import type { RunningServer } from '../../src/services/server-process.js';
import { fetchNatsServer } from '../../src/services/suite-binary.js';

const hasApt = canRun('apt-get');
const isDebian = hasApt && (await readFile('/etc/os-release', 'utf8')).includes('\nID=debian');

let root: string;
const running = new Set<RunningServer>();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-services-'));
});

afterEach(async () => {
  await Promise.all([...running].map((server) => server.kill()));
  running.clear();
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('locateServers', () => {
  it.skipIf(!hasApt)(
    'fetches both into an empty cache, twice at once, and finds them there afterwards',
    async () => {
      const cacheDir = join(root, 'fetched');
      const locate = (log: string[]) => locateServers({ cacheDir, origins: ['cache'], log: (line) => log.push(line) });
      const [first, second] = await Promise.all([locate([]), locate([])]);
      expect(first).toEqual(second);
      for (const binary of [first.nats, first.redis]) {
        expect(binary.origin).toBe('cache');
        expect(binary.path.startsWith(cacheDir)).toBe(true);
        expect(binary.version).toMatch(/^\d+\.\d+\.\d+$/);
      }
      const cli = execFileSync(first.redis.cli!, ['--version'], { env: { ...process.env, ...first.redis.env } });
      expect(cli.toString()).toContain('redis-cli');
      expect((await readdir(cacheDir)).filter((name) => name.startsWith('.fetch-'))).toEqual([]);

      const log: string[] = [];
      expect(await locate(log)).toEqual(first);
      expect(log).toEqual([]);
    },
    300_000,
  );

  it('takes the program that a variable names before any other', async () => {
    const path = await fakeServer('nats-server: v9.8.7');
    const found = await locateServer('nats', { env: { ...process.env, MILLRACE_NATS_SERVER: path } });
    expect(found).toEqual({ path, env: {}, version: '9.8.7', origin: 'env' });
  });

  it('passes over a program on the search path that does not run', async () => {
    const broken = join(root, 'broken-path');
    await mkdir(broken);
    await writeScript(join(broken, 'nats-server'), 'exit 3');
    const working = await fakeServer('nats-server: v1.2.3');
    const env = { PATH: [broken, join(working, '..')].join(':') };
    const found = await locateServer('nats', { cacheDir: root, origins: ['path'], env });
    expect(found).toMatchObject({ path: working, version: '1.2.3', origin: 'path' });
  });

  it('refuses a variable that names no working program', async () => {
    const env = { ...process.env, MILLRACE_REDIS_SERVER: join(root, 'nowhere') };
    const error = await rejection(locateServer('redis', { cacheDir: root, env }));
    expect(error.code).toBe('SERVERS_MISSING');
    expect(error.problems[0]).toContain('MILLRACE_REDIS_SERVER');
  });

  it('names every way out when there are no servers and no apt', async () => {
    const cacheDir = join(root, 'empty');
    const env = { PATH: join(root, 'no-programs') };
    const error = await rejection(locateServers({ cacheDir, origins: ['cache'], env }));
    expect(error.code).toBe('SERVERS_MISSING');
    const text = error.problems.join('\n');
    expect(text).toContain('apt-get is not on this machine');
    const install = process.platform === 'darwin' ? 'brew install nats-server redis' : 'docker compose up -d';
    for (const hint of [install, 'NATS_URL', 'REDIS_URL', '--nats', '--redis', 'MILLRACE_NATS_SERVER']) {
      expect(text).toContain(hint);
    }
  });

  it.skipIf(!hasApt)("reports the end of apt's messages when packages cannot be had", async () => {
    const bin = join(root, 'failing-apt');
    await mkdir(bin);
    const fail = 'case "$*" in *--version*) exit 0;; esac; echo "E: the archive burned down" >&2; exit 100';
    for (const name of ['apt-get', 'apt-cache', 'apt-config', 'dpkg-query']) await writeScript(join(bin, name), fail);
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    const error = await rejection(locateServers({ cacheDir: join(root, 'burned'), origins: ['cache'], env }));
    expect(error.problems.join('\n')).toContain('the archive burned down');
  });

  it('stops when its caller gives up', async () => {
    const signal = AbortSignal.abort(new Error('changed my mind'));
    await expect(locateServers({ cacheDir: root, signal })).rejects.toThrow('changed my mind');
  });
});

describe('package sources', () => {
  const stanza = [
    'Types: deb deb-src',
    '# a comment',
    'URIs: http://archive.example/debian',
    'Suites: stone stone-updates other',
    'Components: main contrib',
    'Signed-By:',
    ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
    ' .',
    ' mDMEYCQjIxYJKwYBBAHaRw8BAQdA',
    '',
    'Types: deb',
    'Enabled: no',
    'URIs: http://off.example',
    'Suites: stone',
    'Components: main',
  ].join('\n');

  it('keeps address and keyring of the distribution and leaves out third parties', () => {
    const line = 'deb [arch=amd64,arm64 signed-by=/k.gpg] http://third.example/x nodistro main # theirs';
    const own = ownSources([...parseStanzas(stanza), ...parseLines(`# deb http://no x main\n${line}`)], ['stone']);
    expect(own.map(({ uris, suites }) => ({ uris, suites }))).toEqual([
      { uris: ['http://archive.example/debian'], suites: ['stone', 'stone-updates'] },
    ]);
    expect(own[0]?.others.get('signed-by')).toContain('\n .\n');
  });

  it('reads back what it writes', () => {
    const line = 'deb [arch=amd64,arm64 signed-by=/k.gpg] http://third.example/x stone main universe';
    const entries = [...parseStanzas(stanza), ...parseLines(line)];
    const again = parseStanzas(renderSources(entries));
    expect(again.map(({ uris, suites, components }) => ({ uris, suites, components }))).toEqual(
      entries.map(({ uris, suites, components }) => ({ uris, suites, components })),
    );
    expect(again[1]?.others.get('architectures')).toBe('amd64 arm64');
    expect(again[0]?.others.get('signed-by')).toBe(entries[0]?.others.get('signed-by'));
  });
});

describe.skipIf(!hasApt && !canRun('nats-server') && !process.env.MILLRACE_NATS_SERVER)('a running nats-server', () => {
  let binary: ServerBinary;
  beforeAll(async () => {
    binary = await locateServer('nats');
  }, 300_000);

  it('answers JetStream and keeps its streams over a crash', async () => {
    const server = await start('nats', binary);
    const before = server.pid;
    await nats(server.port, '$JS.API.STREAM.CREATE.KEPT', '{"name":"KEPT","subjects":["kept.>"]}');
    await nats(server.port, 'kept.one', 'hello');
    await server.kill();
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(isAlive(before)).toBe(false);

    await server.restart();
    expect(server.pid).not.toBe(before);
    const info = await nats(server.port, '$JS.API.STREAM.INFO.KEPT', '');
    expect(JSON.parse(info)).toMatchObject({ state: { messages: 1 } });
  });

  it('answers nothing while paused and goes on afterwards', async () => {
    const server = await start('nats', binary);
    server.pause();
    await expect(nats(server.port, '$JS.API.INFO', '')).rejects.toThrow('no answer');
    server.resume();
    await nats(server.port, '$JS.API.INFO', '');
    server.pause();
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
  });

  it('takes configuration and arguments of its caller', async () => {
    const extraConfig = 'max_payload: 4096\nauthorization { user: a, password: b }';
    const server = await start('nats', binary, { extraConfig, args: ['--name', 'chosen'] });
    let greeting = '';
    await converse(server.port, '', (received) => {
      greeting = received;
      return received.includes('\r\n');
    });
    expect(greeting).toContain('"max_payload":4096');
    expect(greeting).toContain('"server_name":"chosen"');
  });

  it('tells the end of its log when it cannot start', async () => {
    const dir = join(root, 'bad-config');
    const failed = startNatsServer({ binary, dir, extraConfig: 'no_such_setting: 1' });
    await expect(failed).rejects.toThrow(/nats-server did not start: .*log ends with.*no_such_setting/s);
    expect(await readdir(dir)).not.toContain('nats-server.pid');
  });

  it('refuses a port that is taken', async () => {
    const stranger = createServer().listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const error = await rejection(startNatsServer({ binary, dir: join(root, 'taken'), port }));
    expect(error.code).toBe('PORT_IN_USE');
    stranger.close();
  });
});

describe.skipIf(!hasApt && !canRun('redis-server') && !process.env.MILLRACE_REDIS_SERVER)(
  'a running redis-server',
  () => {
    let binary: ServerBinary;
    beforeAll(async () => {
      binary = await locateServer('redis');
    }, 300_000);

    it('keeps its data over a crash and over a new start in the same directory', async () => {
      const server = await start('redis', binary);
      expect(await redis(server.port, 'SET kept 1')).toBe('+OK');
      await server.kill();
      await server.restart();
      expect(await redis(server.port, 'INCR kept')).toBe(':2');
      await server.stop();
      const again = await start('redis', binary, { dir: server.dir });
      expect(await redis(again.port, 'INCR kept')).toBe(':3');
    });

    it('never evicts', async () => {
      const server = await start('redis', binary);
      expect(await redis(server.port, 'CONFIG GET maxmemory-policy', /noeviction/)).toContain('noeviction');
    });

    it('leaves no process, no pidfile and a free port when stopped, and may be stopped twice', async () => {
      const server = await start('redis', binary);
      const { pid, port } = server;
      expect(await readFile(join(server.dir, 'redis-server.pid'), 'utf8')).toBe(`${pid} ${process.pid}\n`);
      await Promise.all([server.stop(), server.stop()]);
      await server.stop();
      await server.kill();
      expect(await server.exited).toMatchObject({ code: 0 });
      expect(isAlive(pid)).toBe(false);
      expect(await readdir(server.dir)).not.toContain('redis-server.pid');
      await expect(redis(port, 'PING')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    });

    it('refuses a directory whose server is running', async () => {
      const server = await start('redis', binary);
      const error = await rejection(startRedisServer({ binary, dir: server.dir }));
      expect(error.code).toBe('PORT_IN_USE');
      expect(await redis(server.port, 'PING')).toBe('+PONG');
    });

    it('replaces the orphan of a parent that was killed, on the same port', async () => {
      const dir = join(root, 'orphaned');
      const port = await freePort();
      const { parent, pid } = await startInChild(binary, dir, port);
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      expect(isAlive(pid)).toBe(true);
      expect(await redis(port, 'SET left behind')).toBe('+OK');

      const server = await start('redis', binary, { dir, port });
      expect(isAlive(pid)).toBe(false);
      expect(await redis(server.port, 'GET left', /\r\nbehind\r\n/)).toContain('behind');
    });

    it.each([
      ['ends by Ctrl-C without a listener', 'SIGINT', ''],
      ['exits without stopping its servers', 'SIGUSR2', "process.on('SIGUSR2', () => process.exit(0));"],
    ] as const)('dies with a parent that %s', async (_case, signal, listener) => {
      const { parent, pid, port } = await startInChild(binary, join(root, signal), await freePort(), listener);
      parent.kill(signal);
      await once(parent, 'exit');
      await until(() => !isAlive(pid));
      await expect(redis(port, 'PING')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    });

    it('outlives a Ctrl-C that its parent listens for', async () => {
      const listener = "process.once('SIGINT', () => console.log('draining'));";
      const { parent, pid } = await startInChild(binary, join(root, 'drains'), await freePort(), listener);
      parent.kill('SIGINT');
      const [line] = await once(parent.stdout!, 'data');
      expect(String(line)).toContain('draining');
      expect(isAlive(pid)).toBe(true);
      parent.kill('SIGINT');
      await once(parent, 'exit');
      await until(() => !isAlive(pid));
    });
  },
);

describe.skipIf(!isDebian)('fetchNatsServer', () => {
  it('gets the version of another suite and keeps it in the cache', async () => {
    const first = await fetchNatsServer({ suite: 'trixie' });
    expect(first).toMatchObject({ kind: 'found', binary: { version: expect.stringMatching(/^2\.10\./) } });
    const log: string[] = [];
    expect(await fetchNatsServer({ suite: 'trixie', log: (line) => log.push(line) })).toEqual(first);
    expect(log).toEqual([]);
  }, 300_000);

  it('says why a suite cannot be had', async () => {
    const outcome = await fetchNatsServer({ suite: 'no-such-suite', cacheDir: join(root, 'no-suite') });
    expect(outcome).toMatchObject({ kind: 'unavailable', reason: expect.stringContaining('no-such-suite') });
  }, 120_000);
});

/** Starts a server that the test's end takes down whatever happened. */
async function start(
  kind: 'nats' | 'redis',
  binary: ServerBinary,
  options: { dir?: string; port?: number; extraConfig?: string; args?: string[] } = {},
): Promise<RunningServer> {
  const dir = options.dir ?? (await mkdtemp(join(root, `${kind}-`)));
  const launch = kind === 'nats' ? startNatsServer : startRedisServer;
  const server = await launch({ binary, ...options, dir });
  running.add(server);
  return server;
}

/** Starts redis-server from a process of its own, which can then be ended in every way. */
async function startInChild(binary: ServerBinary, dir: string, port: number, listener = '') {
  const script = `
    import { startRedisServer } from ${JSON.stringify(new URL('../../src/services/redis-server.js', import.meta.url).href)};
    ${listener}
    const server = await startRedisServer(${JSON.stringify({ binary, dir, port })});
    console.log(server.pid);`;
  const args = ['--input-type=module', '-e', script];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout, 'data');
  return { parent, pid: Number(line), port };
}

/** One request to nats-server, its answer as text. */
async function nats(port: number, subject: string, body: string): Promise<string> {
  let answer = '';
  const request = `PUB ${subject} _INBOX.a ${Buffer.byteLength(body)}\r\n${body}\r\n`;
  await converse(port, `CONNECT {"verbose":false}\r\nSUB _INBOX.a 1\r\n${request}`, (received) => {
    const match = /\r\nMSG _INBOX\.a 1 +(\d+)\r\n(.*)/s.exec(received);
    answer = match?.[2]?.slice(0, Number(match[1])) ?? '';
    return match !== null && answer.length === Number(match[1]);
  });
  return answer;
}

/** One command to redis-server; its first line, or everything up to `expected`. */
async function redis(port: number, command: string, expected = /\r\n/): Promise<string> {
  let answer = '';
  await converse(port, `${command}\r\n`, (received) => {
    answer = received.trimEnd();
    return expected.test(received);
  });
  return answer;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

/** An orphan that ended waits for an adoptive parent, which not every container has. */
function isZombie(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && / Z \d/.test(readFileSync(stat, 'utf8'));
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { timeout: 60_000, interval: 20 }).toBe(true);
}

function canRun(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function fakeServer(version: string): Promise<string> {
  const path = join(await mkdtemp(join(root, 'fake-')), 'nats-server');
  await writeScript(path, `echo '${version}'`);
  return path;
}

async function writeScript(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

async function rejection(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MillraceError);
  return error as MillraceError;
}
