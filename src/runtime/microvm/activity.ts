/** Who is busy for a user right now, so that work nobody waits for can stay out of the way. */
export class Activity {
  readonly #quietMs: number;
  #busy = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiters: (() => void)[] = [];
  #quietSince = -Infinity;

  /** `quietMs`: how long nothing may have happened until it counts as quiet. */
  constructor(quietMs: number) {
    this.#quietMs = quietMs;
  }

  get busy(): boolean {
    return this.#busy > 0;
  }

  /** Busy until what it returns is disposed. */
  enter(): Disposable {
    this.#busy++;
    clearTimeout(this.#timer);
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        if (--this.#busy > 0) return;
        this.#quietSince = performance.now();
        this.#arm();
      },
    };
  }

  /** Counts as busy until `work` is done. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const entered = this.enter();
    try {
      return await work();
    } finally {
      entered[Symbol.dispose]();
    }
  }

  /** Resolves at once when it is quiet, else when it has become so. Rejects with the signal's reason. */
  async quiet(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#busy === 0 && performance.now() - this.#quietSince >= this.#quietMs) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        this.#waiters = this.#waiters.filter((waiter) => waiter !== onQuiet);
        reject(signal.reason as Error);
      };
      const onQuiet = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(onQuiet);
      if (this.#busy === 0) this.#arm();
    });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#waiters.length === 0) return;
    const leftMs = this.#quietMs - (performance.now() - this.#quietSince);
    this.#timer = setTimeout(
      () => {
        const waiters = this.#waiters;
        this.#waiters = [];
        for (const waiter of waiters) waiter();
      },
      Math.max(0, leftMs),
    );
  }
}
