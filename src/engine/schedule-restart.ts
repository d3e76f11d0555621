/** The restart policy's part: starts a container again after a while. */
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';

export function scheduleRestart(context: EngineContext, container: Container, delayMs: number): void {
  cancelRestart(container);
  const timer = setTimeout(() => {
    if (context.closing.aborted) return;
    context.background.run(`cannot restart container ${container.id}`, async () => {
      try {
        await context.restart(container);
      } finally {
        if (container.pendingRestart === timer) container.pendingRestart = undefined;
      }
    });
  }, delayMs);
  container.pendingRestart = timer;
}

/** False when none was pending. */
export function cancelRestart(container: Container): boolean {
  if (container.pendingRestart === undefined) return false;
  clearTimeout(container.pendingRestart);
  container.pendingRestart = undefined;
  return true;
}
