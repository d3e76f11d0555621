import type { Container } from './container.ts';

/** The longest that a timer can be set to: some 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** Whether the container's run ends (and is recorded) within `limitMs` of `act` being called; undefined: without limit. */
export async function exitsWithin(
  container: Container,
  limitMs: number | undefined,
  act: () => Promise<void>,
): Promise<boolean> {
  if (container.run === undefined) return true;
  const giveUp = new AbortController();
  // Registered before anything is done: the exit may come before `act` has returned.
  const exited = container.waiters.add('next-exit', giveUp.signal).then(
    () => true,
    () => false,
  );
  const timer =
    limitMs === undefined ? undefined : setTimeout(() => giveUp.abort(), Math.min(limitMs, longestTimerMs));
  try {
    await act();
    return await exited;
  } finally {
    clearTimeout(timer);
    giveUp.abort();
  }
}
