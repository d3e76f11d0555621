/** The life cycle of a container as a table, and its status as what follows from the facts. */
import type { ContainerStatus } from './model/container.ts';
import type { ContainerRecord } from './model/record.ts';

/** What can happen to a container. */
export type LifeCycleEvent = 'start' | 'exit' | 'restart-due' | 'pause' | 'unpause' | 'remove' | 'give-up';

/** Where each leads. What is not there is refused. */
export const lifeCycle = {
  created: { start: 'running', remove: 'removing' },
  running: { exit: 'exited', 'restart-due': 'restarting', pause: 'paused', remove: 'removing' },
  paused: { exit: 'exited', 'restart-due': 'restarting', unpause: 'running', remove: 'removing' },
  restarting: { start: 'running', 'give-up': 'exited', remove: 'removing' },
  exited: { start: 'running', 'restart-due': 'restarting', remove: 'removing' },
  removing: {},
  dead: { remove: 'removing' },
} satisfies Record<ContainerStatus, Partial<Record<LifeCycleEvent, ContainerStatus>>>;

export function allows(status: ContainerStatus, event: LifeCycleEvent): boolean {
  return event in lifeCycle[status];
}

/** Docker's idea of running: there is a process, or there soon will be one again. */
export function countsAsRunning(status: ContainerStatus): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting';
}

/** What only the living daemon knows. */
export interface LiveFacts {
  /** A restart's delay runs. */
  readonly restartPending: boolean;
  readonly removing: boolean;
}

export function statusOf(record: ContainerRecord, live: LiveFacts): ContainerStatus {
  if (live.removing) return 'removing';
  if (record.removal === true) return 'dead'; // its removal failed half-way; it can be asked for again
  if (live.restartPending) return 'restarting';
  if (record.run === undefined) return 'created';
  if (record.run.exit !== undefined) return 'exited';
  return record.run.paused ? 'paused' : 'running';
}
