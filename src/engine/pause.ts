/** Freezes and thaws a container inside its guest. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { Container, LiveRun } from './container.ts';
import type { RunRecord } from './model/record.ts';
import { allows } from './container-status.ts';

export async function pauseContainer(context: EngineContext, nameOrId: string): Promise<void> {
  const container = context.registry.get(nameOrId);
  using _held = await context.lock.acquire(container.record.podId);
  if (!allows(container.status, 'pause')) throw cannotPause(container);
  const { run, facts } = liveRun(container);
  context.registry.commit(container, { run: { ...facts, paused: true } });
  try {
    await run.container.freeze(true);
  } catch (error) {
    context.registry.record(container, { run: facts });
    throw error;
  }
  context.events.container(container, 'pause');
}

export async function unpauseContainer(context: EngineContext, nameOrId: string): Promise<void> {
  const container = context.registry.get(nameOrId);
  using _held = await context.lock.acquire(container.record.podId);
  if (!allows(container.status, 'unpause'))
    throw new EngineError('failed_precondition', `Container ${container.id} is not paused`);
  const { run, facts } = liveRun(container);
  context.registry.commit(container, { run: { ...facts, paused: false } });
  try {
    await run.container.freeze(false);
  } catch (error) {
    context.registry.record(container, { run: facts });
    throw error;
  }
  context.events.container(container, 'unpause');
}

function cannotPause(container: Container): EngineError {
  const { id, status } = container;
  switch (status) {
    case 'paused':
      return new EngineError('failed_precondition', `container ${id} is already paused`);
    case 'restarting':
      return new EngineError(
        'failed_precondition',
        `Container ${id} is restarting, wait until the container is running`,
      );
    default:
      return notRunning(container);
  }
}

export function notRunning(container: Container): EngineError {
  return new EngineError('failed_precondition', `container ${container.id} is not running`);
}

/** The run of a container whose process is there. Throws when it has just ended. */
export function liveRun(container: Container): { run: LiveRun; facts: RunRecord } {
  const { run } = container;
  const facts = container.record.run;
  if (run === undefined || facts?.exit !== undefined || facts === undefined) throw notRunning(container);
  return { run, facts };
}
