/**
 * A real node as a process: what `millrace run` does, with a line to the test that started it. Ends by itself when
 * everything is closed, so that whatever still holds the process shows.
 */
import type { NodeTuning } from '../../src/compose/node.js';
import { runNode } from '../../src/compose/run.js';
import { codeOf, messageOf } from '../../src/errors.js';
import { defaultOptions } from '../../src/options/resolve.js';
import type { OptionsInput } from '../../src/options/types.js';
import type { NodeReply, NodeRequest } from './node-process.js';

const tell = (reply: NodeReply): void => {
  if (process.connected) process.send?.(reply);
};

const abort = new AbortController();
const options = defaultOptions(JSON.parse(process.argv[2]!) as OptionsInput);
const starting = runNode(options, {
  line: (level, event, fields) => tell({ kind: 'log', level, event, fields }),
  signal: abort.signal,
  tuning: JSON.parse(process.argv[3] ?? '{}') as NodeTuning,
});

let ending: Promise<void> | undefined;

/** Drains whatever there is, also while it is still starting. */
function end(exitCode: number): Promise<void> {
  ending ??= (async () => {
    process.exitCode = exitCode;
    abort.abort();
    await (await starting.catch(() => undefined))?.stop();
    process.disconnect();
  })();
  return ending;
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function fail(error: unknown): void {
  tell({ kind: 'failed', code: codeOf(error), message: messageOf(error) });
  void end(1);
}

process.on('SIGTERM', () => void end(0));
tell({ kind: 'up' });
// The test is gone: nobody is left who would end this process.
process.on('disconnect', () => {
  if (ending === undefined) process.exit(1);
});

try {
  const { node } = await starting;
  process.on('message', (request: NodeRequest) => {
    if (request.kind === 'killThread') void node.killThread(request.slot);
    else if (request.kind === 'block') block(request.ms);
    else tell({ kind: 'status', status: node.status() });
  });
  void node.failed.then(fail);
  tell({ kind: 'ready' });
} catch (error) {
  if (ending === undefined) fail(error);
}
