/** Work that nobody waits for, but that the daemon has to see ended before it goes. */
import type { EngineObserver } from './ports/observer.ts';

export class BackgroundWork {
  readonly #observer: EngineObserver;
  readonly #running = new Map<Promise<void>, string>();

  constructor(observer: EngineObserver) {
    this.#observer = observer;
  }

  /** A failure is told to the observer: `what` says what was tried. */
  run(what: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#observer.warn(what, error))
      .finally(() => this.#running.delete(running));
    this.#running.set(running, what);
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys());
  }

  /** As `settled`, but gives up after a while and tells what still runs. */
  async settledWithin(limitMs: number): Promise<void> {
    const limit = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      for (const what of this.#running.values())
        this.#observer.warn(`${what}: it was not done after ${limitMs} ms`, undefined);
      limit.resolve(undefined);
    }, limitMs);
    try {
      await Promise.race([this.settled(), limit.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
