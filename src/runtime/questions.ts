/** Questions to hosts and their answers: every question is answered once, or fails when its thread is gone. */
import { MillraceError } from '../errors.js';
import type { HostLink } from '../ports/threads.js';
import { errorOf } from '../protocol/fault.js';
import type { Answer, Question } from '../protocol/messages.js';

interface Pending {
  readonly link: HostLink;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: Error) => void;
}

export class Questions {
  readonly #pending = new Map<number, Pending>();
  #next = 1;

  /** Throws what the host answered as a fault, or THREAD_LOST. */
  ask(link: HostLink, partition: number, question: Question): Promise<Exclude<Answer, { kind: 'fault' }>> {
    const request = this.#next++;
    const answered = new Promise<Answer>((settle, fail) => {
      this.#pending.set(request, { link, settle, fail });
    });
    link.post({ kind: 'ask', request, partition, question });
    return answered.then((answer) => {
      if (answer.kind === 'fault') throw errorOf(answer.fault);
      return answer;
    });
  }

  answered(request: number, answer: Answer): void {
    this.#pending.get(request)?.settle(answer);
    this.#pending.delete(request);
  }

  /** The thread behind the link is gone. */
  lost(link: HostLink | undefined): void {
    for (const [request, pending] of this.#pending) {
      if (pending.link !== link) continue;
      this.#pending.delete(request);
      pending.fail(new MillraceError('THREAD_LOST', 'the thread ended before it answered'));
    }
  }
}
