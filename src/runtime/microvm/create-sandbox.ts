import type { SandboxOrigin, SandboxSpec } from '../../engine/ports/pod-runtime.ts';
import type { GuestImage } from './guest-image.ts';
import type { GuestMachine } from './guest-machine.ts';
import { launchMachine } from './launch-machine.ts';
import { machineSizeFor } from './machine-size.ts';
import type { MachineSize } from './machine-size.ts';
import { traced } from './observer.ts';
import type { Pool } from './pool.ts';
import type { SandboxRecord } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { correctClock } from './set-clock.ts';

export interface CreatedSandbox {
  readonly guest: GuestMachine;
  readonly record: SandboxRecord;
  /** Resolves when the machine has taken the sandbox's name; whoever starts something in it need not wait before. */
  readonly settled: Promise<void>;
}

/** A machine for a pod: one that waited, or a new one. */
export async function createSandbox(
  context: RuntimeContext,
  pool: Pool,
  spec: SandboxSpec,
  signal: AbortSignal,
): Promise<CreatedSandbox> {
  const { images, defaultSize, host } = context;
  const { kernelPath } = spec;
  const size = machineSizeFor(spec, defaultSize, host);
  const image =
    kernelPath === undefined
      ? images.current()
      : await traced(context.observer, spec.id, 'kernel', () => images.custom(kernelPath, signal));
  signal.throwIfAborted();
  const pooled = isSame(size, defaultSize) ? pool.take(image.kernel.hash) : undefined;
  if (pooled !== undefined) {
    return {
      guest: pooled,
      record: recordOf(context, spec, pooled, image, 'pool'),
      settled: rename(context, pooled, spec),
    };
  }
  const options = { hostname: spec.hostname, subject: spec.id };
  const guest = await launchMachine(context, image, size, options, signal);
  const how = guest.parts.templateKey === undefined ? 'boot' : 'template';
  return { guest, record: recordOf(context, spec, guest, image, how), settled: Promise.resolve() };
}

/** The clock too: a machine that waited for hours may have drifted. */
async function rename(context: RuntimeContext, guest: GuestMachine, spec: SandboxSpec): Promise<void> {
  const { agent } = guest;
  await traced(context.observer, spec.id, 'rename', () =>
    Promise.all([
      agent.request({ type: 'setHostname', hostname: spec.hostname }),
      correctClock(agent, AbortSignal.timeout(context.timeouts.requestMs)),
    ]),
  );
}

function recordOf(
  context: RuntimeContext,
  spec: SandboxSpec,
  guest: GuestMachine,
  { kernel, initramfsPath }: GuestImage,
  how: SandboxOrigin['how'],
): SandboxRecord {
  const { name, version, accelerator } = context.vmm.capabilities;
  const { uid, shape, identity, templateKey, machine } = guest.parts;
  return {
    version: 1,
    id: spec.id,
    machine: machine.record,
    uid,
    vcpus: shape.vcpus,
    memoryBytes: shape.memoryBytes,
    kernel,
    initramfsPath,
    templateKey: templateKey ?? null,
    identity,
    origin: {
      how,
      vmm: `${name} ${version}`,
      accelerator,
      kernelRelease: kernel.release,
      kernelKind: kernel.kind,
    },
  };
}

function isSame(a: MachineSize, b: MachineSize): boolean {
  return a.memoryBytes === b.memoryBytes && a.vcpus === b.vcpus;
}
