/** Those who wait for a container's end. */
import type { ContainerExit } from './model/container.ts';
import type { WaitCondition } from './service.ts';
import { EngineError } from '../errors/engine-error.ts';

type Condition = Exclude<WaitCondition, 'not-running'>;

interface Waiter {
  readonly condition: Condition;
  resolve(exit: ContainerExit): void;
}

export class Waiters {
  readonly #waiting = new Set<Waiter>();

  /** Rejects when the signal is aborted. */
  add(condition: Condition, signal?: AbortSignal): Promise<ContainerExit> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.delete(waiter);
        reject(new EngineError('canceled', 'nobody waits for the container any more'));
      };
      const waiter: Waiter = {
        condition,
        resolve: (exit) => {
          signal?.removeEventListener('abort', giveUp);
          resolve(exit);
        },
      };
      if (signal?.aborted === true) {
        giveUp();
        return;
      }
      this.#waiting.add(waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  exited(exit: ContainerExit): void {
    this.#tell(exit, (waiter) => waiter.condition === 'next-exit');
  }

  /** The removed container will not exit any more either. */
  removed(exit: ContainerExit): void {
    this.#tell(exit, () => true);
  }

  #tell(exit: ContainerExit, who: (waiter: Waiter) => boolean): void {
    for (const waiter of [...this.#waiting].filter(who)) {
      this.#waiting.delete(waiter);
      waiter.resolve(exit);
    }
  }
}
