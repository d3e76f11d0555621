import type { PodLock } from './ports/pod-lock.ts';

/** Runs `work` while holding the pod's lock. */
export async function locked<T>(
  lock: PodLock,
  podId: string,
  work: () => T | Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const held = await lock.acquire(podId, signal);
  try {
    return await work();
  } finally {
    held[Symbol.dispose]();
  }
}
