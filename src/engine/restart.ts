/** Stops a container, if it runs, and starts it: neither `--rm` nor the restart policy has a say in between. */
import type { EngineContext } from './context.ts';
import { startContainer } from './start.ts';
import { stopContainer } from './stop.ts';
import type { StopOptions } from './stop.ts';

export async function restartContainer(
  context: EngineContext,
  nameOrId: string,
  options: StopOptions,
): Promise<void> {
  const container = context.registry.get(nameOrId);
  container.restarting = true;
  try {
    await stopContainer(context, container, options);
  } finally {
    container.restarting = false;
  }
  await startContainer(context, container, 'user', context.closing);
  context.events.container(container, 'restart');
}
