import type { MachineShape } from '../../engine/ports/vmm.ts';
import { messageOf } from '../../errors/engine-error.ts';
import { connectGuest } from './connect-guest.ts';
import { GuestMachine } from './guest-machine.ts';
import type { SandboxRecord } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';

/**
 * Finds a sandbox's machine again and connects to its agent. Undefined when it is gone, or when its agent does not answer
 * any more: then nobody can ever reach it again, and what is left of it is removed.
 */
export async function resumeSandbox(
  context: RuntimeContext,
  record: SandboxRecord,
  signal: AbortSignal,
): Promise<GuestMachine | undefined> {
  const { vmm, uids, observer, timeouts } = context;
  uids.claim(record.uid);
  const machine = await vmm.reattach(record.machine, signal);
  if (machine === undefined) {
    uids.release(record.uid);
    return undefined;
  }
  context.machines.add(machine.id);
  try {
    const agent = await connectGuest(
      context,
      machine,
      { fresh: false, timeoutMs: timeouts.connectMs },
      signal,
    );
    const { vcpus, memoryBytes, kernel, initramfsPath, identity, uid } = record;
    const shape: MachineShape = { vcpus, memoryBytes, kernel, initramfsPath };
    const templateKey = record.templateKey ?? undefined;
    return new GuestMachine(context, { machine, agent, uid, shape, identity, templateKey });
  } catch (error) {
    if (signal.aborted) throw error; // the caller gave up, not the guest
    observer.warn(`sandbox ${record.id} does not answer and is removed: ${messageOf(error)}`, error);
    await machine.kill();
    context.machines.delete(machine.id);
    uids.release(record.uid);
    return undefined;
  }
}
