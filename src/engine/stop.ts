/** Asks a container to end, and ends it when it does not. */
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { exitsWithin } from './exit-within.ts';
import { locked } from './locked.ts';
import { killAndWait, sendSignal } from './kill.ts';
import { cancelRestart } from './schedule-restart.ts';
import { parseSignal } from './signals.ts';

const defaultTimeoutSeconds = 10;

export interface StopOptions {
  /** Undefined: the container's own, else 10; negative: never use SIGKILL. */
  readonly timeoutSeconds?: number;
  readonly signal?: string;
}

/** False when it did not run. */
export async function stopContainer(
  context: EngineContext,
  container: Container,
  options: StopOptions,
): Promise<boolean> {
  const { spec } = container.record;
  const signal = parseSignal(options.signal ?? spec.stopSignal);
  if (!container.isRunning) return false;
  const timeoutSeconds = options.timeoutSeconds ?? spec.stopTimeoutSeconds ?? defaultTimeoutSeconds;
  await stopRun(context, container, signal, timeoutSeconds < 0 ? undefined : timeoutSeconds * 1000);
  context.events.container(container, 'stop');
  return true;
}

async function stopRun(
  context: EngineContext,
  container: Container,
  signal: number,
  limitMs: number | undefined,
): Promise<void> {
  if (await stopRestarting(context, container)) return;
  const ended = await exitsWithin(context, container, limitMs, async () => {
    try {
      await sendSignal(context, container, signal);
    } catch (error) {
      context.observer.warn(`cannot send signal ${signal} to container ${container.id}`, error);
      await killAndWait(context, container);
    }
  });
  if (!ended) await killAndWait(context, container);
}

function hasRun(container: Container): boolean {
  return container.run !== undefined;
}

/** A container between two runs just gets no next one. The lock: the next run may be starting at this moment. */
async function stopRestarting(context: EngineContext, container: Container): Promise<boolean> {
  if (hasRun(container)) return false;
  context.registry.commit(container, { manuallyStopped: true });
  cancelRestart(container);
  return await locked(context.lock, container.record.podId, () => !hasRun(container));
}
