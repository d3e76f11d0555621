/** Work that nobody waits for, but that the daemon has to see ended before it goes. */
import type { EngineObserver } from './ports/observer.ts';

export class BackgroundWork {
  readonly #observer: EngineObserver;
  readonly #running = new Set<Promise<void>>();

  constructor(observer: EngineObserver) {
    this.#observer = observer;
  }

  /** A failure is told to the observer: `what` says what was tried. */
  run(what: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#observer.warn(what, error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
