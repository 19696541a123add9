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
  /** Links whose end is waited for; a link may have ended before anybody is told, and then answers nobody. */
  readonly #watched = new WeakSet<HostLink>();
  readonly #ended = new WeakSet<HostLink>();
  #next = 1;

  /** Throws what the host answered as a fault, or THREAD_LOST, or NODE_UNREACHABLE if the host has drained. */
  ask(link: HostLink, partition: number, question: Question): Promise<Exclude<Answer, { kind: 'fault' }>> {
    if (this.#ended.has(link)) return Promise.reject(drained());
    this.#watch(link);
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
    this.#fail(link, () => new MillraceError('THREAD_LOST', 'the thread ended before it answered'));
  }

  #watch(link: HostLink): void {
    if (this.#watched.has(link)) return;
    this.#watched.add(link);
    void link.exited.then((error) => {
      this.#ended.add(link);
      if (error === undefined) this.#fail(link, drained);
      else this.lost(link);
    });
  }

  #fail(link: HostLink | undefined, error: () => MillraceError): void {
    for (const [request, pending] of this.#pending) {
      if (pending.link !== link) continue;
      this.#pending.delete(request);
      pending.fail(error());
    }
  }
}

function drained(): MillraceError {
  return new MillraceError('NODE_UNREACHABLE', 'the node stops');
}
