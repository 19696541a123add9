/** The page: asks the node once a second and shows what it says; asks for a token where the node wants one. */
import type { LiveView } from '../http/live-types.js';
import { ask, Refusal, token } from './api.js';
import { lastSample, showSamples, startCharts } from './charts.js';
import { byId, setText } from './dom.js';
import { refreshInbox } from './inbox.js';
import { refreshKey, startLookup } from './lookup.js';
import { showAlarms, showFigures, showNode } from './nodes.js';
import { showOwners } from './owners.js';
import { showStrip, startStrip } from './strip.js';
import { lastEntry, showEntries } from './timeline.js';

const POLL_MS = 1_000;
const INBOX_MS = 5_000;

let inboxAt = Number.NEGATIVE_INFINITY;
let wake: () => void = () => undefined;

async function poll(): Promise<void> {
  try {
    const view = await ask<LiveView>(`/v1/live?since=${lastSample()}&after=${lastEntry()}`);
    byId('gate').hidden = true;
    byId('board').hidden = false;
    show(view);
    pulse('live', 'good');
    await refreshKey();
    if (performance.now() - inboxAt >= INBOX_MS) {
      inboxAt = performance.now();
      await refreshInbox(view.actions);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) askForToken();
    else pulse(`${error.message}; trying again`, 'bad');
  }
}

function show(view: LiveView): void {
  showSamples(view.samples);
  showEntries(view.timeline);
  showOwners(view);
  showNode(view);
  showAlarms(view);
  showFigures(view);
  showStrip(view);
}

function pulse(text: string, tone: 'good' | 'bad' | 'idle'): void {
  const place = byId('pulse');
  setText(place, text);
  place.dataset.tone = tone;
}

function askForToken(): void {
  const refused = token.get() !== null;
  token.clear();
  byId('board').hidden = true;
  const gate = byId('gate');
  if (gate.hidden) {
    gate.hidden = false;
    byId('token').focus();
  }
  if (refused) setText(byId('gate-problem'), 'The node refused this token.');
  pulse('locked', 'bad');
}

function startGate(): void {
  byId('gate-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = byId<HTMLInputElement>('token');
    setText(byId('gate-problem'), '');
    token.set(input.value.trim());
    input.value = '';
    wake();
  });
}

async function run(): Promise<never> {
  for (;;) {
    // Nobody looks: the node has better things to do. Without a token there is nothing to ask either.
    if (document.visibilityState === 'visible' && (byId('gate').hidden || token.get() !== null)) await poll();
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, POLL_MS);
    });
  }
}

startGate();
startStrip();
startCharts();
startLookup();
document.addEventListener('visibilitychange', () => wake());
void run();
