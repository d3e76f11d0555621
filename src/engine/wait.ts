/** Waits for a container's end. */
import type { ContainerExit } from './model/container.ts';
import type { EngineContext } from './context.ts';
import type { WaitCondition } from './service.ts';

/** Registered when it returns, not when the promise is awaited. */
export function waitForContainer(
  context: EngineContext,
  nameOrId: string,
  condition: WaitCondition,
  signal: AbortSignal,
): { readonly exit: Promise<ContainerExit> } {
  const container = context.registry.get(nameOrId);
  if (condition !== 'not-running') return { exit: container.waiters.add(condition, signal) };
  if (container.isRunning) return { exit: container.waiters.add('next-exit', signal) };
  const neverRan = { exitCode: 0, oomKilled: false, error: '', finishedAt: new Date(0) };
  return { exit: Promise.resolve(container.exit ?? neverRan) };
}
