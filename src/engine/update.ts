/** Changes limits and restart policy of a container, also while it runs. */
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec } from './model/container.ts';
import type { ContainerResources } from './ports/pod-runtime.ts';
import { checkResources, checkRestartPolicy } from './check-spec.ts';
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { locked } from './locked.ts';

export interface ContainerUpdate {
  readonly resources?: ContainerResources;
  readonly restartPolicy?: ContainerSpec['restartPolicy'];
}

/** What is not named stays as it is. */
export async function updateContainer(
  context: EngineContext,
  nameOrId: string,
  change: ContainerUpdate,
): Promise<void> {
  const container = context.registry.get(nameOrId);
  await locked(context.lock, container.record.podId, () => updateLocked(context, container, change));
  context.events.container(container, 'update');
}

async function updateLocked(
  context: EngineContext,
  container: Container,
  change: ContainerUpdate,
): Promise<void> {
  const { spec } = container.record;
  if (!context.registry.has(container.id) || container.removing) {
    throw new EngineError(
      'failed_precondition',
      `container ${container.id} is marked for removal and cannot be "update"`,
    );
  }
  if (change.restartPolicy !== undefined) checkRestartPolicy(change.restartPolicy, spec.autoRemove);
  const resources = { ...spec.resources, ...change.resources };
  checkResources(resources);
  const { run } = container;
  const memoryBytes = run?.sandbox.memoryBytes ?? Infinity;
  if ((resources.memoryMaxBytes ?? 0) > memoryBytes) {
    throw new EngineError(
      'failed_precondition',
      `container ${container.id} runs in a sandbox of ${memoryBytes} bytes: ` +
        `stop it before its memory is set to ${resources.memoryMaxBytes ?? 0}`,
    );
  }
  context.registry.commit(container, {
    spec: { ...spec, resources, restartPolicy: change.restartPolicy ?? spec.restartPolicy },
  });
  if (change.resources !== undefined && run !== undefined) {
    try {
      await run.container.update(resources);
    } catch (error) {
      context.registry.record(container, { spec });
      throw error;
    }
  }
}
