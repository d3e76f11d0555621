/** Asks a container to end, and ends it when it does not. */
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { exitsWithin } from './exit-within.ts';
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
  let failed = false;
  const ended = await exitsWithin(container, limitMs, async () => {
    try {
      await sendSignal(context, container, signal);
    } catch (error) {
      failed = true;
      context.observer.warn(`cannot send signal ${signal} to container ${container.id}`, error);
      await killAndWait(context, container);
    }
  });
  if (!ended && !failed) await killAndWait(context, container);
}

/** A container between two runs just gets no next one. The lock: the next run may be starting at this moment. */
async function stopRestarting(context: EngineContext, container: Container): Promise<boolean> {
  if (container.run !== undefined) return false;
  context.registry.commit(container, { manuallyStopped: true });
  cancelRestart(container);
  using _held = await context.lock.acquire(container.record.podId);
  return container.run === undefined;
}
