/** When a container that ended is started again, and how long to wait before: Docker's rules. */
import type { ContainerExit, RestartPolicy } from './model/container.ts';

const firstDelayMs = 100;
const longestDelayMs = 60_000;
const ranWellMs = 10_000;

/** The wait before the next start doubles with each failure in a row, and begins anew after a run that lasted. */
export class RestartBackoff {
  #delayMs = 0;

  next(ranMs: number): number {
    if (ranMs >= ranWellMs || this.#delayMs === 0) this.#delayMs = firstDelayMs;
    else this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
    return this.#delayMs;
  }

  reset(): void {
    this.#delayMs = 0;
  }
}

export interface RestartQuestion {
  readonly policy: RestartPolicy;
  readonly exit: ContainerExit;
  readonly manuallyStopped: boolean;
  readonly restartCount: number;
}

/** After an end that the daemon saw. */
export function restartsAfterExit(question: RestartQuestion): boolean {
  if (question.manuallyStopped) return false;
  const { policy } = question;
  switch (policy.name) {
    case 'no':
      return false;
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return (
        question.exit.exitCode !== 0 &&
        (policy.maximumRetryCount === 0 || question.restartCount < policy.maximumRetryCount)
      );
  }
}

/** When the daemon starts and finds it ended: `always` means also what a user had stopped. */
export function restartsWithDaemon(question: RestartQuestion): boolean {
  return question.policy.name === 'always' || restartsAfterExit(question);
}
