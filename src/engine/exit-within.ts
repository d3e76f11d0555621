import { EngineError } from '../errors/engine-error.ts';
import type { Container } from './container.ts';
import type { EngineContext } from './context.ts';

/** The longest that a timer can be set to: some 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Whether the container's run ends (and is recorded) within `limitMs` of `act` being called; undefined: without limit.
 * Throws `canceled` when the daemon goes before that: the container is then the next daemon's.
 */
export async function exitsWithin(
  context: EngineContext,
  container: Container,
  limitMs: number | undefined,
  act: () => Promise<void>,
): Promise<boolean> {
  if (container.run === undefined) return true;
  if (isClosing(context)) throw leftAlone(container);
  const giveUp = new AbortController();
  // Registered before anything is done: the exit may come before `act` has returned.
  const exited = container.waiters.add('next-exit', giveUp.signal).then(
    () => true,
    () => false,
  );
  const timer =
    limitMs === undefined ? undefined : setTimeout(() => giveUp.abort(), Math.min(limitMs, longestTimerMs));
  const onClosing = () => {
    clearTimeout(timer);
    giveUp.abort();
  };
  context.closing.addEventListener('abort', onClosing, { once: true });
  try {
    await act();
    const ended = await exited;
    if (!ended && isClosing(context)) throw leftAlone(container);
    return ended;
  } finally {
    clearTimeout(timer);
    context.closing.removeEventListener('abort', onClosing);
    giveUp.abort();
  }
}

function leftAlone(container: Container): EngineError {
  return new EngineError('canceled', `the daemon stops and leaves container ${container.id} as it is`);
}

function isClosing(context: EngineContext): boolean {
  return context.closing.aborted;
}
