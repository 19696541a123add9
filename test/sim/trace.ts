/**
 * What happened in a run, in order: one line per effect. Two runs of a seed must give the same lines.
 *
 * Hashing the lines' parts costs far less than writing them, so text is kept only on demand.
 */

/** Everything that leaves or enters a process, and everything done to it. The number is hashed, the name is shown. */
export const effects = [
  'publish',
  'ask',
  'done',
  'answer',
  'fail',
  'post',
  'told',
  'event',
  'caughtUp',
  'failed',
  'commit',
  'claim',
  'output',
  'boot',
  'line',
  'fault',
  'die',
] as const;
export type Effect = (typeof effects)[number];

const codes = Object.fromEntries(effects.map((effect, code) => [effect, code + 1])) as Record<Effect, number>;

export class Trace {
  readonly lines: string[] | undefined;
  #count = 0;
  #low = 0x811c9dc5;
  #high = 0x2545f491;

  constructor(keepsText: boolean) {
    this.lines = keepsText ? [] : undefined;
  }

  /** Everything noted so far, as a short text. */
  get digest(): string {
    return `${this.#count}:${this.#low >>> 0}:${this.#high >>> 0}`;
  }

  note(now: number, who: string, effect: Effect, what: string, a: number, b: number): void {
    this.#count++;
    this.#mix(codes[effect]);
    this.#mix(now * 1024);
    this.#mix(a);
    this.#mix(b);
    this.#text(who);
    this.#text(what);
    this.lines?.push(`${now.toFixed(3).padStart(10)} ${who.padEnd(8)} ${effect.padEnd(8)} ${what} ${a} ${b}`);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul(this.#high ^ (value + (this.#low >>> 9)), 0x9e3779b1);
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#low = Math.imul(this.#low ^ text.charCodeAt(i), 0x01000193);
    this.#high = Math.imul(this.#high ^ this.#low, 0x9e3779b1);
  }
}
