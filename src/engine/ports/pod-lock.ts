/** One mutex per pod. Waiters are served in the order they came. */
export interface PodLock {
  /** `using held = await lock.acquire(podId)`; rejects with the signal's reason when it is aborted first. */
  acquire(key: string, signal?: AbortSignal): Promise<Disposable>;
}
