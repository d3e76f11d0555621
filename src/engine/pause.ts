/** Freezes and thaws a container inside its guest. */
import { EngineError } from '../errors/engine-error.ts';
import type { EngineContext } from './context.ts';
import type { Container, LiveRun } from './container.ts';
import type { RunRecord } from './model/record.ts';
import { allows } from './container-status.ts';
import { locked } from './locked.ts';

export async function pauseContainer(context: EngineContext, nameOrId: string): Promise<void> {
  const container = context.registry.get(nameOrId);
  await locked(context.lock, container.record.podId, async () => {
    if (!allows(container.status, 'pause')) throw cannotPause(container);
    await freeze(context, container, true);
  });
  context.events.container(container, 'pause');
}

export async function unpauseContainer(context: EngineContext, nameOrId: string): Promise<void> {
  const container = context.registry.get(nameOrId);
  await locked(context.lock, container.record.podId, async () => {
    if (!allows(container.status, 'unpause'))
      throw new EngineError('failed_precondition', `Container ${container.id} is not paused`);
    await freeze(context, container, false);
  });
  context.events.container(container, 'unpause');
}

async function freeze(context: EngineContext, container: Container, paused: boolean): Promise<void> {
  const { run, facts } = liveRun(container);
  context.registry.commit(container, { run: { ...facts, paused } });
  try {
    await run.container.freeze(paused);
  } catch (error) {
    if (container.run === run) context.registry.record(container, { run: facts });
    throw error;
  }
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
