/** Forgets a container that does not run, and removes all that it had on the host. */
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';

/** The facts go first: whatever a crash leaves of the rest belongs to nobody, and `reconcile` removes it. */
export function forgetContainer(context: EngineContext, container: Container): void {
  context.registry.remove(container);
  context.events.container(container, 'destroy');
  // Clients may wait for a start that will not come.
  context.background.run(`cannot end the attachments of container ${container.id}`, () =>
    container.streams.finish(),
  );
  container.waiters.removed(
    container.exit ?? { exitCode: 0, oomKilled: false, error: '', finishedAt: new Date(0) },
  );
}

/** Of a container that was forgotten. Tries everything, then throws the first failure. */
export async function removeFiles(context: EngineContext, container: Container): Promise<void> {
  const { id } = container;
  const outcomes = await Promise.allSettled([
    context.disks.remove(id),
    context.logs.remove(id),
    context.images.release(id),
  ]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

export async function removeTraces(context: EngineContext, container: Container): Promise<void> {
  forgetContainer(context, container);
  await removeFiles(context, container);
}
