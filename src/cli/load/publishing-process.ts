/** A process that publishes a part of a load. It lives as long as the command that started it wants it to. */
import { type OpenTarget, openLoadTarget } from '../../compose/load-target.js';
import { codeOf, messageOf } from '../../errors.js';
import { PacedPublisher } from './paced-publisher.js';
import type { FromPublisher, ToPublisher } from './publishing-messages.js';

/** Publishes what the parent process says over IPC. */
export function servePublishing(): void {
  const tell = (message: FromPublisher): void => void process.send?.(message, () => undefined);
  let target: OpenTarget | undefined;
  let publisher: PacedPublisher | undefined;
  // A terminal sends Ctrl-C to everybody; what then happens is for the command to say.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
  process.on('disconnect', () => process.exit());
  const receive = async (message: ToPublisher): Promise<void> => {
    switch (message.kind) {
      case 'open':
        target = await openLoadTarget(message.task.target);
        publisher = new PacedPublisher(message.task, target.sink, tell);
        return tell({ kind: 'ready' });
      case 'start':
        await publisher?.run(message.at, message.epochMs);
        await target?.close();
        return;
      case 'stop':
        publisher?.stop();
    }
  };
  process.on('message', (message) => {
    receive(message as ToPublisher).catch((error: unknown) =>
      tell({ kind: 'failed', code: codeOf(error), message: messageOf(error) }),
    );
  });
}
