/** Who on the main thread takes what a host says. */
import type { LogLine } from '../ports/log.js';
import type { HostToMain } from '../protocol/messages.js';
import type { Hosts } from './hosts.js';
import type { OutputPublisher } from './outputs.js';
import type { PartitionLifecycle } from './partition-lifecycle.js';
import type { Questions } from './questions.js';
import type { StreamRouters } from './stream-routers.js';

export interface HostMessagesDependencies {
  readonly line: LogLine;
  readonly hosts: Hosts;
  readonly lifecycle: PartitionLifecycle;
  readonly outputs: OutputPublisher;
  readonly questions: Questions;
  readonly router: StreamRouters;
}

export class HostMessages {
  readonly #deps: HostMessagesDependencies;

  constructor(deps: HostMessagesDependencies) {
    this.#deps = deps;
  }

  take(slot: number, message: HostToMain): void {
    const { line, hosts, lifecycle, outputs, questions, router } = this.#deps;
    switch (message.kind) {
      case 'done':
        router.done(slot, message.stream, message.buffer, message.length);
        return;
      case 'claimed':
        void lifecycle.claimed(message);
        return;
      case 'refused':
        lifecycle.refused(message);
        return;
      case 'stopped':
        lifecycle.stopped(message);
        return;
      case 'released':
        lifecycle.handover.released(message);
        return;
      case 'resumable':
        lifecycle.resume(message.partition);
        return;
      case 'answer':
        questions.answered(message.request, message.answer);
        return;
      case 'outputs': {
        const { partition } = message;
        const published = (ids: readonly string[]): void =>
          hosts.links.get(slot)?.post({ kind: 'published', partition, ids });
        void outputs.publish(message.outputs, published);
        return;
      }
      case 'report':
        hosts.reported(slot, message.thread);
        lifecycle.reported(message.partitions);
        return;
      case 'log':
        line(message.level, message.event, { slot, ...message.fields });
        return;
      case 'drained':
        hosts.drained(slot);
        return;
      case 'started':
        return;
    }
  }
}
