/** Sends signals. SIGKILL comes back when the container has ended; the others just go out. */
import { EngineError, messageOf } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { Container } from './container.ts';
import { exitsWithin } from './exit-within.ts';
import { locked } from './locked.ts';
import { cancelRestart } from './schedule-restart.ts';
import { SIGKILL, parseSignal } from './signals.ts';

/** How long a killed container may take to end until its machine is taken away from it. */
const killLimitMs = 10_000;

export async function killContainer(
  context: EngineContext,
  nameOrId: string,
  signalName: string,
): Promise<void> {
  const signal = signalName === '' ? SIGKILL : parseSignal(signalName);
  const container = context.registry.get(nameOrId);
  if (!container.isRunning) {
    throw new EngineError(
      'failed_precondition',
      `cannot kill container: ${nameOrId}: container ${container.id} is not running`,
    );
  }
  if (signal === SIGKILL) await killAndWait(context, container);
  else await sendSignal(context, container, signal);
}

/** Records that it is a user's wish, thaws a frozen container when the signal is to end it, and sends. */
export async function sendSignal(
  context: EngineContext,
  container: Container,
  signal: number,
): Promise<void> {
  if (!container.record.manuallyStopped) context.registry.commit(container, { manuallyStopped: true });
  if (cancelRestart(container)) return; // between two runs there is no process: it is enough that none will be
  const { run } = container;
  if (run === undefined) return;
  await run.container.process.signal(signal);
  const ends = signal === SIGKILL || signal === parseSignal(container.record.spec.stopSignal);
  if (ends && container.record.run?.paused === true) await thaw(context, container);
  context.events.container(container, 'kill', { signal: String(signal) });
}

async function thaw(context: EngineContext, container: Container): Promise<void> {
  await locked(context.lock, container.record.podId, async () => {
    const { run } = container;
    const facts = container.record.run;
    if (run === undefined || facts === undefined) return;
    context.registry.commit(container, { run: { ...facts, paused: false } });
    await run.container.freeze(false);
  });
}

/** Resolves when it has ended. A guest that does not even take SIGKILL loses its machine. */
export async function killAndWait(context: EngineContext, container: Container): Promise<void> {
  const ended = await exitsWithin(context, container, killLimitMs, async () => {
    try {
      await sendSignal(context, container, SIGKILL);
    } catch (error) {
      await destroyRun(context, container, messageOf(error));
    }
  });
  if (ended) return;
  await exitsWithin(context, container, killLimitMs, () =>
    destroyRun(context, container, `it did not end within ${killLimitMs} ms`),
  );
  if (container.run !== undefined)
    throw new EngineError('internal', `container ${container.id} could not be killed`);
}

async function destroyRun(context: EngineContext, container: Container, why: string): Promise<void> {
  const { run } = container;
  if (run === undefined) return;
  context.observer.warn(`SIGKILL did not end container ${container.id}, so its sandbox is destroyed`, why);
  await run.sandbox.destroy();
}
