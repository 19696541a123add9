/**
 * Somebody sees Millrace for the first time: a fresh clone, the one command of the README, and a browser that looks for an
 * account. Prints how long each step took.
 *
 * Run with `npm run first-run`; `-- --empty-cache` gives npm nothing that it fetched before. The clone has what is
 * committed. Finding a browser is not counted: everybody has one.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openBrowser } from '../support/chromium.js';
import { until } from '../support/until.js';

const COMMAND = 'npm ci && npm start';
const DEADLINE_MS = 240_000;

const { values } = parseArgs({ options: { 'empty-cache': { type: 'boolean', default: false } } });
const root = fileURLToPath(new URL('../../../', import.meta.url));
const work = await mkdtemp(join(tmpdir(), 'millrace-first-run-'));
const browser = await openBrowser();
try {
  const steps: [string, number][] = [];
  let from = performance.now();
  const done = (step: string): void => {
    steps.push([step, (performance.now() - from) / 1000]);
    from = performance.now();
  };

  await promisify(execFile)('git', ['clone', '--quiet', root, join(work, 'millrace')]);
  done('the clone');

  const cache = values['empty-cache'] ? { npm_config_cache: join(work, 'npm-cache') } : {};
  const env = { ...process.env, ...cache };
  const demo = spawn('sh', ['-c', COMMAND], { cwd: join(work, 'millrace'), env, detached: true });
  let out = '';
  for (const stream of [demo.stdout, demo.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
  const end = once(demo, 'close') as Promise<[number | null]>;
  const isOver = (): boolean => demo.exitCode !== null;
  try {
    await until(() => /added \d+ packages/.test(out) || isOver(), DEADLINE_MS, 'npm ci');
    done('npm ci');
    const shown = /curl .*?(http:\/\/[^/\s]+)\/v1\/state\/(\S+)/;
    await until(() => shown.test(out) || isOver(), DEADLINE_MS, 'the demo says where to look');
    if (isOver()) throw new Error(`${COMMAND} ended:\n${out}`);
    done('npm start, until it says where to look');
    const [, url, key] = shown.exec(out)!;
    const page = await browser.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    await page.goto(url!);
    await page.fill('#key', key!);
    await page.press('#key', 'Enter');
    await page.locator('#state', { hasText: 'balance' }).waitFor();
    done(`the page opened, ${key} typed, its state seen`);
  } finally {
    if (!isOver()) process.kill(-demo.pid!, 'SIGINT');
    await end;
  }
  done('Ctrl-C, until the verdict');
  const verdict = /^OK: .*$/m.exec(out);
  if (verdict === null) throw new Error(`no verdict:\n${out}`);
  for (const [step, seconds] of steps) process.stdout.write(`${seconds.toFixed(1).padStart(6)} s  ${step}\n`);
  const counted = steps.slice(1, 4).reduce((all, [, seconds]) => all + seconds, 0);
  process.stdout.write(
    `1 command (${COMMAND}), ${counted.toFixed(0)} s from the clone to the state of a key\n${verdict[0]}\n`,
  );
} finally {
  await browser.close();
  await rm(work, { recursive: true, force: true });
}
