/**
 * Notices a reading that says it is at the end of the stream while the stream goes on: the server that it reads from lacks
 * what the others have. One that is a little behind gets it in a moment; one whose copy went apart never does.
 *
 * Counts looks, not time: after a pause of the whole process nobody is to blame.
 */
const LOOKS_MIN = 10;
const LOOKS_MAX = 640;

export class HiddenEnd {
  #read = 0;
  #looks = 0;
  #patience = LOOKS_MIN;

  /**
   * Told with every look at the stream's end; true when it is time to read again, through another server if possible.
   * Without success that is less and less often.
   */
  isDue(look: { readonly isCaughtUp: boolean; readonly eventsRead: number; readonly unread: number }): boolean {
    if (look.eventsRead !== this.#read) {
      this.#read = look.eventsRead;
      this.#looks = 0;
      this.#patience = LOOKS_MIN;
    }
    this.#looks = look.isCaughtUp && look.unread > 0 ? this.#looks + 1 : 0;
    if (this.#looks < this.#patience) return false;
    this.#looks = 0;
    this.#patience = Math.min(this.#patience * 2, LOOKS_MAX);
    return true;
  }
}
