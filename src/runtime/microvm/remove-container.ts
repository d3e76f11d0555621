import { EngineError } from '../../errors/engine-error.ts';
import { withDeadline } from '../../system/deadline.ts';
import type { AttachedDisk } from './disk-table.ts';
import type { GuestMachine } from './guest-machine.ts';
import { traced } from './observer.ts';
import type { ContainerRecord } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** Kills what is left of a container, unmounts it, which writes its disk out, and unplugs its disks. */
export async function removeContainer(
  context: RuntimeContext,
  guest: GuestMachine,
  parts: ContainerRecord,
): Promise<void> {
  if (guest.isOver()) return; // with the machine went everything there was to remove
  const { observer, timeouts } = context;
  using deadline = withDeadline(undefined, 2 * timeouts.containerMs, 'the container to be removed');
  const { signal } = deadline;
  try {
    await traced(observer, parts.id, 'delete', () =>
      guest.agent.request(
        { type: 'deleteContainer', container: parts.container },
        { signal, timeoutMs: timeouts.containerMs },
      ),
    );
    await traced(observer, parts.id, 'detach', () => releaseDisks(guest, parts.disks, signal));
  } catch (error) {
    if (!guest.isOver()) throw error;
  }
}

/** Goes on after a failure: the others must not stay plugged in for it. */
export async function releaseDisks(
  guest: GuestMachine,
  disks: readonly AttachedDisk[],
  signal: AbortSignal,
): Promise<void> {
  const results = await Promise.allSettled(disks.map((disk) => guest.disks.release(disk, signal)));
  const failures = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }) => reason as unknown);
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  throw new EngineError('internal', `cannot unplug ${failures.length} of ${disks.length} disks`, {
    cause: new AggregateError(failures),
  });
}
