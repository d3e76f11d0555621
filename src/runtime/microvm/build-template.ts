import type { MachineShape, MachineTemplate } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf, messageOf } from '../../errors/engine-error.ts';
import { withDeadline } from '../../system/deadline.ts';
import { connectGuest } from './connect-guest.ts';
import { machineSpec } from './machine-spec.ts';
import { traced } from './observer.ts';
import type { RuntimeContext } from './runtime-context.ts';

/**
 * Boots a machine, lets its agent get ready to be copied, and saves it. Its uid is its own, like every machine's: the guest
 * has not run anything yet, but its VMM has parsed a kernel.
 */
export async function buildTemplate(
  context: RuntimeContext,
  shape: MachineShape,
  directory: string,
): Promise<MachineTemplate> {
  const { vmm, uids, timeouts, observer } = context;
  const uid = uids.allocate();
  const spec = machineSpec(shape, uid);
  context.machines.add(spec.id);
  using deadline = withDeadline(undefined, timeouts.bootMs + timeouts.requestMs, 'the template to be built');
  const { signal } = deadline;
  try {
    await using machine = await traced(observer, spec.id, 'template.launch', () =>
      vmm.bootTemplateSource(spec, directory, signal),
    );
    {
      const options = { fresh: true, timeoutMs: timeouts.bootMs };
      await using agent = await traced(observer, spec.id, 'template.boot', () =>
        connectGuest(context, machine, options, signal),
      );
      await traced(observer, spec.id, 'template.prepare', () =>
        agent.request({ type: 'prepareTemplate' }, { signal }),
      );
    }
    return await traced(observer, spec.id, 'template.save', () => machine.saveTemplate(signal));
  } catch (error) {
    throw new EngineError(
      errorCodeOf(error),
      `cannot build a template (${shape.kernel.kind} kernel ${shape.kernel.release}, ${shape.vcpus} CPUs, ` +
        `${Math.round(shape.memoryBytes / 2 ** 20)} MiB): ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    context.machines.delete(spec.id);
    uids.release(uid);
  }
}
