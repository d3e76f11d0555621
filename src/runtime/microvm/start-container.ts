import type { ContainerStartSpec, LayerFile, OutputSink } from '../../engine/ports/pod-runtime.ts';
import type { DiskSpec } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { containerMessage } from './container-message.ts';
import type { AttachedDisk } from './disk-table.ts';
import type { GuestMachine } from './guest-machine.ts';
import { MicrovmContainer } from './microvm-container.ts';
import { MicrovmProcess, processRecordOf } from './microvm-process.ts';
import { traced } from './observer.ts';
import type { ContainerRecord } from './records.ts';
import { removeContainer } from './remove-container.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** Plugs a container's disks in and starts it with one message. Leaves nothing in the guest when it fails. */
export async function startContainer(
  context: RuntimeContext,
  guest: GuestMachine,
  spec: ContainerStartSpec,
  sink: OutputSink,
  signal: AbortSignal,
): Promise<MicrovmContainer> {
  const { observer, timeouts } = context;
  const container = guest.handles.next();
  const layers = layerDisks(spec.layers);
  const writable = spec.writablePath === undefined ? [] : [writableDisk(container, spec.writablePath)];
  const disks = [...layers, ...writable];
  const attached: AttachedDisk[] = [];
  const parts: ContainerRecord = { version: 1, container, id: spec.id, disks: attached };
  try {
    // Made before anything is plugged in: what cannot be said to the agent fails here.
    const draft = containerMessage(spec, { container, process: guest.handles.next() });
    const serials = await traced(observer, spec.id, 'attach', () =>
      attachAll(guest, disks, attached, signal),
    );
    const message = {
      ...draft,
      layers: serials.slice(0, layers.length).map((serial) => ({ serial })),
      upper: serials[layers.length] ?? '',
    };
    const { process, pid } = await traced(observer, spec.id, 'start', () =>
      guest.agent.startContainer(message, sink, { signal, timeoutMs: timeouts.containerMs }),
    );
    const first = new MicrovmProcess(process, pid, processRecordOf(container, message.process));
    return new MicrovmContainer(context, guest, parts, first);
  } catch (error) {
    await undo(context, guest, parts);
    throw error;
  }
}

/**
 * Top first, as overlayfs wants them. A layer that comes twice is left out the second time, further down: whatever it has or
 * hides, its upper self has and hides as well, and overlayfs refuses the same directory twice.
 */
export function layerDisks(layers: readonly LayerFile[]): DiskSpec[] {
  const disks = new Map<string, DiskSpec>();
  for (const layer of layers.toReversed()) {
    const serial = layerSerial(layer.digest);
    if (!disks.has(serial)) disks.set(serial, { serial, path: layer.path, readonly: true });
  }
  return [...disks.values()];
}

function layerSerial(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new EngineError('invalid_argument', `"${digest}" is not a layer's digest`);
  return `L-${hex.slice(0, 18)}`;
}

function writableDisk(container: number, path: string): DiskSpec {
  return { serial: `W-${container.toString(16)}`, path, readonly: false };
}

/** Waits for all of them also when one fails, so that what was plugged in is known. Their serials, in the disks' order. */
async function attachAll(
  guest: GuestMachine,
  disks: readonly DiskSpec[],
  attached: AttachedDisk[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const results = await Promise.allSettled(disks.map((disk) => guest.disks.attach(disk, signal)));
  const failures: unknown[] = [];
  for (const result of results) {
    if (result.status === 'fulfilled') attached.push(result.value);
    else failures.push(result.reason);
  }
  if (failures.length > 0) throw failures[0];
  return attached.map(({ serial }) => serial);
}

async function undo(context: RuntimeContext, guest: GuestMachine, parts: ContainerRecord): Promise<void> {
  try {
    await removeContainer(context, guest, parts);
  } catch (error) {
    context.observer.warn(`cannot undo the failed start of container ${parts.id}`, error);
  }
}
