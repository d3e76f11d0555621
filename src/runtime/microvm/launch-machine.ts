import type { Machine, MachineShape, MachineSpec, MachineTemplate } from '../../engine/ports/vmm.ts';
import { errorCodeOf } from '../../errors/engine-error.ts';
import type { ErrorCode } from '../../errors/engine-error.ts';
import { connectGuest } from './connect-guest.ts';
import type { GuestImage } from './guest-image.ts';
import { GuestMachine } from './guest-machine.ts';
import type { MachineSize } from './machine-size.ts';
import { machineSpec } from './machine-spec.ts';
import { traced } from './observer.ts';
import { personalise } from './personalise.ts';
import type { RuntimeContext } from './runtime-context.ts';

export interface LaunchOptions {
  readonly hostname: string;
  /** Whom the spans are about. */
  readonly subject: string;
}

/**
 * A new machine, unique and ready: cloned from its shape's template, or booted where the VMM cannot clone. A template that
 * cannot be cloned (its files are damaged, the VMM was replaced) is built anew, once.
 */
export async function launchMachine(
  context: RuntimeContext,
  image: GuestImage,
  size: MachineSize,
  options: LaunchOptions,
  signal: AbortSignal,
): Promise<GuestMachine> {
  const shape: MachineShape = { ...size, kernel: image.kernel, initramfsPath: image.initramfsPath };
  try {
    return await launch(context, shape, options, signal);
  } catch (error) {
    if (!(error instanceof CloneFailure) || signal.aborted) throw causeOf(error);
    context.observer.warn('a template could not be cloned and is built anew', error.cause);
    await context.templates.discard(shape);
  }
  try {
    return await launch(context, shape, options, signal);
  } catch (error) {
    throw causeOf(error);
  }
}

class CloneFailure extends Error {}

function causeOf(error: unknown): unknown {
  return error instanceof CloneFailure ? error.cause : error;
}

async function launch(
  context: RuntimeContext,
  shape: MachineShape,
  options: LaunchOptions,
  signal: AbortSignal,
): Promise<GuestMachine> {
  const { vmm, templates, uids, observer, timeouts } = context;
  const { hostname, subject } = options;
  await using undo = new AsyncDisposableStack();
  const span = <T>(name: string, work: () => Promise<T>) => traced(observer, subject, name, work);

  const template = vmm.capabilities.clone
    ? await span('template', () => templates.get(shape, signal))
    : undefined;
  const templateKey = template === undefined ? undefined : templates.keyOf(shape);
  const inUse = undo.use(templates.use(templateKey)); // until the machine counts as its user itself
  const uid = uids.allocate();
  undo.defer(() => uids.release(uid));
  const spec = machineSpec(shape, uid);
  context.machines.add(spec.id);
  undo.defer(() => void context.machines.delete(spec.id));
  const machine: Machine = undo.use(
    template === undefined
      ? await span('boot', () => vmm.boot(spec, signal))
      : await span('clone', () => clone(context, template, spec, signal)),
  );
  const timeoutMs = template === undefined ? timeouts.bootMs : timeouts.connectMs;
  const agent = undo.use(
    await span('connect', () => connectGuest(context, machine, { fresh: true, timeoutMs }, signal)),
  );
  const identity = await span('personalise', () => personalise(agent, hostname, signal));
  const guest = new GuestMachine(context, { machine, agent, uid, shape, identity, templateKey });
  undo.move();
  inUse[Symbol.dispose]();
  return guest;
}

async function clone(
  context: RuntimeContext,
  template: MachineTemplate,
  spec: MachineSpec,
  signal: AbortSignal,
): Promise<Machine> {
  try {
    return await context.vmm.clone(template, spec, signal);
  } catch (error) {
    // Slow, or no room on the host: another template would change nothing.
    const unrelated: readonly ErrorCode[] = [
      'deadline_exceeded',
      'resource_exhausted',
      'canceled',
      'not_found',
    ];
    throw unrelated.includes(errorCodeOf(error)) ? error : new CloneFailure('cannot clone', { cause: error });
  }
}
