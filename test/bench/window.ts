/** So many pieces of work under way at once, and no more. The first failure is thrown to whoever comes next. */
export class Window {
  readonly #max: number;
  #underWay = 0;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Starts the work; resolves when there is room for more. */
  async run(work: () => Promise<void>): Promise<void> {
    this.#underWay++;
    void work().then(
      () => this.#end(),
      (error: unknown) => {
        this.#failure ??= error;
        this.#end();
      },
    );
    while (this.#underWay >= this.#max) await this.#change();
    this.#throwFailure();
  }

  /** Resolves when everything has ended. */
  async idle(): Promise<void> {
    while (this.#underWay > 0) await this.#change();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #end(): void {
    this.#underWay--;
    this.#wake?.();
    this.#wake = undefined;
  }
}
