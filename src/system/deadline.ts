/** Deadlines: everything that waits is given a signal, and this puts a limit on one. */
import { EngineError } from '../errors/engine-error.ts';

/** A signal that is aborted when `signal` is, or after `timeoutMs` with a `deadline_exceeded` that names `what`. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * `using deadline = withDeadline(signal, 2000, 'QEMU to answer on its QMP socket')`.
 * The message reads "waited 2000 ms for <what>". Disposing it stops its clock.
 */
export function withDeadline(signal: AbortSignal | undefined, timeoutMs: number, what: string): Deadline {
  const controller = new AbortController();
  const follow = () => controller.abort(signal?.reason);
  const timer = setTimeout(() => {
    controller.abort(new EngineError('deadline_exceeded', `waited ${timeoutMs} ms for ${what}`));
  }, timeoutMs);
  if (signal?.aborted) follow();
  else signal?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
}

/** Settles as `promise` does, or rejects with the signal's reason when that is aborted first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(reasonOf(signal));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Why a signal was aborted, as an error. */
export function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error
    ? signal.reason
    : new EngineError('canceled', `gave up waiting: ${String(signal.reason)}`);
}
