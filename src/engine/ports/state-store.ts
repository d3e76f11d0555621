/** The port to where the engine's facts are kept. */
import type { ContainerRecord, PodRecord } from '../model/record.ts';

/** Everything in it happens, or nothing does. */
export interface StateChange {
  readonly pods?: readonly PodRecord[];
  readonly containers?: readonly ContainerRecord[];
  readonly removedPods?: readonly string[];
  readonly removedContainers?: readonly string[];
}

export interface StateStore {
  load(): { readonly pods: readonly PodRecord[]; readonly containers: readonly ContainerRecord[] };
  /** Safe against the daemon's death when it returns. Throws `resource_exhausted` when the disk is full. */
  commit(change: StateChange): void;
}
