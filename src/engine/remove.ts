/** Removes a container; with `force` a running one too. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { killAndWait } from './kill.ts';
import { locked } from './locked.ts';
import { removeTraces } from './remove-traces.ts';
import { cancelRestart } from './schedule-restart.ts';

/** Throws `failed_precondition` for a running one without `force`, and while it is being removed already. */
export async function removeContainer(
  context: EngineContext,
  nameOrId: string,
  options: { readonly force: boolean },
): Promise<void> {
  const container = context.registry.get(nameOrId);
  if (container.removing) {
    throw new EngineError('failed_precondition', `removal of container ${nameOrId} is already in progress`);
  }
  if (!options.force) checkNotRunning(container, nameOrId);
  container.removing = true; // keeps everybody from starting it
  try {
    await endRun(context, container, nameOrId, options.force);
    await locked(context.lock, container.record.podId, async () => {
      if (context.registry.has(container.id)) await removeTraces(context, container);
    });
  } finally {
    container.removing = false;
  }
}

async function endRun(
  context: EngineContext,
  container: Container,
  nameOrId: string,
  force: boolean,
): Promise<void> {
  // The lock: a start may be under way.
  await locked(context.lock, container.record.podId, () => {
    if (!force) checkNotRunning(container, nameOrId);
  });
  cancelRestart(container);
  if (container.run === undefined) return;
  context.registry.commit(container, { removal: true });
  await killAndWait(context, container);
}

function checkNotRunning(container: Container, nameOrId: string): void {
  if (!container.isRunning) return;
  const paused = container.record.run?.paused === true;
  throw new EngineError(
    'failed_precondition',
    `cannot remove container "${nameOrId}": container is ` +
      (paused
        ? 'paused and must be unpaused first'
        : `${container.pendingRestart === undefined ? 'running' : 'restarting'}: stop the container before removing or force remove`),
  );
}
