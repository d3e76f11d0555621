/** One mutex per key. Waiters are served in the order they came; one that gives up leaves the queue. */

interface Waiter {
  grant(): void;
}

export class KeyedLock {
  /** A key is here while somebody holds its lock; the list is who waits for it. */
  readonly #queues = new Map<string, Waiter[]>();

  /**
   * Waits for the key's lock and returns it: `using held = await lock.acquire(id, signal)`.
   * Rejects with the signal's reason when it is aborted first.
   */
  async acquire(key: string, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, []);
    else await this.#wait(queue, signal);
    return this.#held(key);
  }

  /** Runs `work` while holding the key's lock. */
  async run<T>(key: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const held = await this.acquire(key, signal);
    try {
      return await work();
    } finally {
      held[Symbol.dispose]();
    }
  }

  /** Whether somebody holds the key's lock now. */
  isHeld(key: string): boolean {
    return this.#queues.has(key);
  }

  #wait(queue: Waiter[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      queue.push(waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #held(key: string): Disposable {
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        const next = this.#queues.get(key)?.shift();
        if (next === undefined) this.#queues.delete(key);
        else next.grant();
      },
    };
  }
}
