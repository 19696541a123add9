/** The dashboard in a real browser, over a real node: it loads, lives, finds, warns, and refuses. */
import { mkdir } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/services/free-port.js';
import { openBrowser } from '../support/chromium.js';
import { start } from './cli-process.js';
import { PARTITIONS, QuestionsWorld, type TestApp } from './questions-world.js';

const WAIT_MS = 60_000;
/** Directory for pictures of the page, taken only if somebody wants to look at them. */
const PICTURES = process.env.MILLRACE_PICTURES;

let world: QuestionsWorld;
let browser: Browser;
/** What the browser complained about, and whatever it asked of anybody else. */
let complaints: string[] = [];
const pages: Page[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([QuestionsWorld.start(), openBrowser()]);
});

afterEach(async () => {
  for (const page of pages.splice(0)) await page.close();
  expect(complaints.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await world?.stop();
});

async function open(app: TestApp, path = '/', width = 1280): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  pages.push(page);
  page.setDefaultTimeout(WAIT_MS);
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 40[134]/.test(message.text())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${app.url}/`)) complaints.push(`asks ${request.url()}`);
  });
  await page.goto(app.url + path);
  return page;
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
}

const textOf = (page: Page, selector: string, text: string | RegExp): Promise<void> =>
  page.locator(selector).filter({ hasText: text }).first().waitFor();

describe('a node that runs', () => {
  it('is shown, and what happens afterwards too, without anything being reloaded', async () => {
    const app = await (await world.app()).run();
    await app.publish({ id: 'a1', key: 'first' });
    await app.untilStored('first', ['a1']);
    const page = await open(app);
    await textOf(page, '#figures', '1 so far');
    expect(await page.locator('#strip .cell').count()).toBe(4);
    expect(await page.locator('#strip .cell[data-phase="running"]').count()).toBe(4);
    await textOf(page, '#timeline', 'node.ready');
    await app.publish({ id: 'a2', key: 'first', at: 10 }, { id: 'b1', key: 'second', at: 10 });
    await textOf(page, '#figures', '3 so far');
    await page.locator('#charts canvas').nth(5).waitFor();
    await textOf(page, '#charts .chart', /event to applied \d.*to stored \d/);
    await app.kill();
    await textOf(page, '#pulse', 'does not answer');
    complaints = complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'));
  });

  it('shows where a key stands and why an event was dropped, from an address that can be passed on', async () => {
    const app = await (await world.app()).run();
    await app.publish(
      { id: 'k1', key: 'né<b&c' },
      { id: 'k1', key: 'né<b&c' },
      { id: 'k2', key: 'né<b&c', refuse: true },
    );
    await app.untilStored('né<b&c', ['k1']);
    await app.untilLetters('né<b&c', 3);
    const page = await open(app, `/#key=${encodeURIComponent('né<b&c')}`);
    await textOf(page, '#found h3', 'né<b&c');
    await textOf(page, '#state', 'k1');
    await app.publish({ id: 'k3', key: 'né<b&c', at: 5 });
    await textOf(page, '#state', 'k3');
    await textOf(page, '#found', 'dead k2 at 3: HANDLER_THREW');
    await textOf(page, '#found', 'duplicate k1 at 2');
    await page.fill('#event', 'k2');
    await page.press('#event', 'Enter');
    await textOf(page, '#found .decision', 'dead letter at sequence 3: HANDLER_THREW');
    await page.fill('#event', 'never published');
    await page.press('#event', 'Enter');
    await textOf(page, '#found', 'partitions');
    await picture(page, 'lookup');
  });

  it('is used with the keyboard, and has room on a telephone and on a wall', async () => {
    const app = await (await world.app()).run();
    const page = await open(app, '/', 360);
    await page.locator('#strip .cell[aria-selected="true"]').focus();
    await page.keyboard.press('End');
    await textOf(page, '#partition h3', 'Partition 3');
    await page.keyboard.press('ArrowLeft');
    await textOf(page, '#partition h3', 'Partition 2');
    for (const width of [360, 2560]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    }
  });
});

describe('what waits for a person', () => {
  it('a halted partition stands out, with its reason and what to do', async () => {
    const app = await (await world.app({ limits: { deadLetters: 1 } })).run();
    const halted = app.partition('poor');
    await app.publish({ id: 'p1', key: 'poor', refuse: true }, { id: 'p2', key: 'poor', at: 5, refuse: true });
    const page = await open(app);
    await textOf(page, '#alarms', `Partition ${halted} halted`);
    await textOf(page, '#alarms', 'DEAD_LETTERS_FULL');
    await page.locator(`#strip .cell[data-phase="halted"]`).waitFor();
    expect(await page.locator('#strip .cell[data-phase="halted"]').count()).toBe(1);
    expect(await page.title()).toBe(`(1 halted) ${app.name} · Millrace`);
    await textOf(page, '#timeline li.error', 'partition.halted');
    await picture(page, 'halted');
  });

  it('is only shown where actions are off, and the node refuses them from a page however it is asked', async () => {
    const app = await (await world.app()).run();
    await app.publish({ id: 'x1', key: 'left', refuse: true });
    await app.untilLetters('left', 1);
    const page = await open(app);
    await textOf(page, '#inbox .item', 'HANDLER_THREW');
    expect(await page.locator('button.action').count()).toBe(0);
    const path = `/v1/dead-letters/${app.partition('left')}/1`;
    const refused = await page.evaluate(
      `fetch(${JSON.stringify(path)}, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"action":"skip"}' }).then(async (answer) => [answer.status, (await answer.json()).error.code])`,
    );
    expect(refused).toEqual([403, 'READ_ONLY']);
    expect(await app.letters('left')).toEqual(['1']);
    expect((await app.post(path, { action: 'skip' })).status).toBe(200);
  });

  it('is dealt with where actions are allowed, after asking once more, and the timeline says so', async () => {
    const app = await (await world.app({ http: { port: 0, actions: true } })).run();
    await app.publish({ id: 'x1', key: 'left', refuse: true });
    await app.untilLetters('left', 1);
    const page = await open(app);
    const skip = page.locator('button.action', { hasText: 'Skip' });
    await skip.click();
    await textOf(page, 'button.action', 'Skip: sure?');
    expect(await app.letters('left')).toEqual(['1']);
    await skip.click();
    await textOf(page, '#inbox', 'Nothing.');
    expect(await app.letters('left')).toEqual([]);
    await textOf(page, '#timeline', 'http.change');
  });
});

describe('a node among others', () => {
  it('says which node has what, leads there, and tells what happened to many partitions as one', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const app = await (await world.app({ node: 'one', http: { port: first } })).run();
    const env = { MILLRACE_NODE: 'two', MILLRACE_HTTP_PORT: String(second) };
    await start(['run', '--config', app.config], { env }).event('node.ready');
    const page = await open(app);
    await textOf(page, '#owners li', /one$/);
    const link = page.locator('#owners a', { hasText: 'two' });
    expect(await link.getAttribute('href')).toBe(`http://127.0.0.1:${second}/`);
    expect(await page.locator('#strip .cell[data-phase="elsewhere"]').count()).toBe(PARTITIONS / 2);
    await page
      .locator('#timeline li', { hasText: 'partition.released' })
      .filter({ hasText: /partitions \d to \d/ })
      .waitFor();
    const key = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].find((one) => app.partition(one) >= PARTITIONS / 2)!;
    const other = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].find((one) => app.partition(one) < PARTITIONS / 2)!;
    const own = (await page.locator('#strip .cell').first().getAttribute('data-phase')) === 'running';
    await page.fill('#key', own ? key : other);
    await page.press('#key', 'Enter');
    await page.locator('#found a', { hasText: 'two' }).click();
    await textOf(page, '#where', 'two');
    await textOf(page, '#found h3', own ? key : other);
    complaints = complaints.filter((text) => !text.startsWith(`asks http://127.0.0.1:${second}/`));
  });
});

describe('a node with a token', () => {
  it('shows nothing without it, refuses a wrong one, and opens with the right one', async () => {
    const app = await (await world.app({ http: { port: 0, token: 'the-right-one' } })).run();
    const page = await open(app);
    await page.locator('#gate').waitFor();
    expect(await page.locator('#board').isHidden()).toBe(true);
    await page.fill('#token', 'a-wrong-one');
    await page.press('#token', 'Enter');
    await textOf(page, '#gate-problem', 'refused');
    expect(await page.locator('#board').isHidden()).toBe(true);
    await page.fill('#token', 'the-right-one');
    await page.press('#token', 'Enter');
    await textOf(page, '#figures', 'of 4 on this node run');
    expect(await page.locator('#gate').isHidden()).toBe(true);
  });
});
