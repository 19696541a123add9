/** `millrace run`: a node, until a signal or a failure ends it. */
import type { Command } from 'commander';
import { openLog, runNode } from '../../compose/run.js';
import { codeOf, MillraceError, messageOf } from '../../errors.js';
import { exitCode } from '../exit-codes.js';
import { addOptions, loadOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { stopSignals } from '../stop-signals.js';

export function addRun(command: Command, { terminal, end }: CommandHost): void {
  command
    .option('--json', 'print errors as JSON; the log always is')
    .addHelpText('after', '\nExample:\n  $ millrace run --config millrace.yaml\n');
  addOptions(command).action(async (_flags: object, self: Command) => {
    const { options } = loadOptions(self, terminal);
    const { line, flush } = openLog(options);
    const stopping = stopSignals((signal) => line('info', 'node.stopping', { signal }));
    try {
      const running = await runNode(options, { line, signal: stopping.signal });
      const failure = await Promise.race([running.node.failed, untilAborted(stopping.signal)]);
      await running.stop();
      if (failure !== undefined) throw failure;
      line('info', 'node.stopped', {});
    } catch (error) {
      // Stopped while it was waiting for something, or for its partitions: it has nothing to save, and nothing is wrong.
      if (stopping.signal.aborted && error instanceof MillraceError && error.category === 'transient') {
        line('info', 'node.stopped', {});
        end(exitCode.ok);
        return;
      }
      line('error', 'node.failed', { code: codeOf(error), error: messageOf(error) });
      throw error;
    } finally {
      stopping.release();
      await flush();
    }
    end(exitCode.ok);
  });
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
