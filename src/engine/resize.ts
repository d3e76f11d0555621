/** Tells a container's terminal how large it is; before the start it is remembered. */
import type { EngineContext } from './context.ts';
import type { TerminalSize } from './ports/pod-runtime.ts';

export async function resizeContainer(
  context: EngineContext,
  nameOrId: string,
  size: TerminalSize,
): Promise<void> {
  const container = context.registry.get(nameOrId);
  container.terminalSize = size;
  if (container.run === undefined) return;
  await container.run.container.process.resize(size);
  context.events.container(container, 'resize', {
    height: String(size.rows),
    width: String(size.cols),
  });
}
