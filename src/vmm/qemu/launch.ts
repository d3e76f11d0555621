/** Starts a machine in its cage. Whatever fails on the way, nothing is left behind. */
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineShape, MachineSpec } from '../../engine/ports/vmm.ts';
import { EngineError, errorCodeOf, messageOf } from '../../errors/engine-error.ts';
import { Cgroup } from '../../system/cgroup.ts';
import { withDeadline } from '../../system/deadline.ts';
import { connectToUnixSocket, listenOnUnixSocket } from '../../system/unix-socket.ts';
import { startInCage } from './cage.ts';
import { commandLine } from './command-line.ts';
import type { MachineStart } from './command-line.ts';
import { inheritedDescriptors } from './machine-layout.ts';
import { DiskPlugs } from './disk-plugs.ts';
import type { DriverContext } from './driver-context.ts';
import { machineFiles, makeMachineDirectory, removeMachineDirectory, writeRecord } from './machine-files.ts';
import type { MachineFiles } from './machine-files.ts';
import { memoryRegions } from './memory-layout.ts';
import { makeOwnMemory } from './own-memory.ts';
import { QemuMachine } from './qemu-machine.ts';
import { QmpClient } from './qmp-client.ts';
import { templateFiles } from './template-manifest.ts';
import { killVmmProcess } from './vmm-process.ts';
import type { VmmProcess } from './vmm-process.ts';

/** Resolves when the guest runs. */
export async function launch(
  context: DriverContext,
  spec: MachineSpec,
  start: MachineStart,
  signal: AbortSignal,
  templateDirectory?: string,
): Promise<QemuMachine> {
  const { id, limits, shape } = spec;
  await using undo = new AsyncDisposableStack();
  using deadline = withDeadline(signal, context.launchTimeoutMs, `QEMU to start machine ${id}`);
  deadline.signal.throwIfAborted();

  const files = machineFiles(context.machinesDirectory, id);
  await makeMachineDirectory(files);
  undo.defer(() => removeMachineDirectory(files));
  const cgroup = new Cgroup(context.cgroups, id);
  await cgroup.create(limits);
  undo.defer(() => cgroup.remove());

  const machine = { id, shape, uid: limits.uid, gid: limits.gid };
  const args = commandLine(context, machine, start);
  const { vmm, qmp } = await startListening(
    context.program,
    args,
    files,
    await openFiles(shape, start, deadline.signal),
  );
  undo.defer(() => qmp.close());
  undo.defer(() => killVmmProcess(vmm));
  const record = { id, ...vmm.identity, vcpus: shape.vcpus, cgroups: context.cgroups };
  const recorded = Promise.all([cgroup.add(vmm.identity.pid), writeRecord(files, record)]);
  recorded.catch(() => undefined); // awaited below, after what tells more

  try {
    await (start.kind === 'clone' ? loadAndRun(qmp, deadline.signal) : run(qmp, deadline.signal));
    await recorded;
  } catch (error) {
    throw await launchFailure(id, vmm, deadline.signal, error);
  }

  undo.move();
  const templateSource =
    templateDirectory === undefined ? undefined : { context, shape, directory: templateDirectory };
  return new QemuMachine({
    record,
    files,
    process: vmm,
    qmp,
    disks: new DiskPlugs(qmp),
    ...(templateSource !== undefined && { templateSource }),
  });
}

/** What a clone gets as open files, in the order of `inheritedDescriptors`. */
async function openFiles(
  shape: MachineShape,
  start: MachineStart,
  signal: AbortSignal,
): Promise<InheritedFiles> {
  await using undo = new AsyncDisposableStack();
  if (start.kind !== 'clone') return { descriptors: [], owner: undo.move() };
  const state = undo.use(await open(start.statePath, 'r'));
  const own = memoryRegions(shape).filter((region) => !region.shared);
  const memory = own.length === 0 ? undefined : undo.use(await makeOwnMemory(own, start.memoryPath, signal));
  return { descriptors: [state.fd, ...(memory === undefined ? [] : [memory.fd])], owner: undo.move() };
}

/** Ours are closed when the VMM has its own. */
interface InheritedFiles {
  readonly descriptors: readonly number[];
  readonly owner: AsyncDisposableStack;
}

/** The sockets are there before QEMU is: we are connected already, and wait in no loop. */
async function startListening(
  program: string,
  args: readonly string[],
  files: MachineFiles,
  inherited: InheritedFiles,
): Promise<{ readonly vmm: VmmProcess; readonly qmp: QmpClient }> {
  await using closing = new AsyncDisposableStack();
  closing.use(inherited.owner);
  using qmpSocket = listenOnUnixSocket(files.qmpSocket, 1);
  using channelSocket = listenOnUnixSocket(files.channelSocket, 1);
  const qmp = new QmpClient(connectToUnixSocket(files.qmpSocket));
  try {
    const vmm = await startInCage(program, args, [qmpSocket.fd, channelSocket.fd, ...inherited.descriptors]);
    return { vmm, qmp };
  } catch (error) {
    qmp.close();
    throw error;
  }
}

/** QEMU waits (`-S`) until it is in its cage, that is until it answers. */
async function run(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  await Promise.all([qmp.negotiate(signal), qmp.execute('cont', {}, signal)]);
}

/** Everything is sent before QEMU is up: it finds its orders waiting, and the guest runs without another word. */
async function loadAndRun(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  const resumed = qmp.waitFor((event) => event.name === 'RESUME', signal);
  const capabilities = [{ capability: 'x-ignore-shared', state: true }];
  await Promise.all([
    qmp.negotiate(signal),
    qmp.execute('migrate-set-capabilities', { capabilities }, signal),
    qmp.execute('migrate-incoming', { uri: `file:/dev/fdset/${inheritedDescriptors.stateSet}` }, signal),
    resumed,
  ]);
}

/** Adds what QEMU said and how it ended: it ends at once when it cannot do what its command line asks for. */
async function launchFailure(
  id: string,
  vmm: VmmProcess,
  signal: AbortSignal,
  error: unknown,
): Promise<unknown> {
  if (signal.aborted && errorCodeOf(error) !== 'deadline_exceeded') return error; // the caller gave up
  const end = signal.aborted ? undefined : await Promise.race([vmm.ended, delay(endingMs, undefined)]);
  const how =
    end?.code === undefined
      ? `was ended by ${end?.signal ?? 'somebody'}`
      : `ended with exit code ${end.code}`;
  const said = vmm.lastWords();
  const why = end === undefined ? messageOf(error) : `QEMU ${how}`;
  const message = `cannot start machine ${id}: ${why}${said === '' ? '' : `; it said: ${said}`}`;
  return new EngineError(end === undefined ? errorCodeOf(error) : 'unavailable', message, { cause: error });
}

/** How long a process whose socket has closed may take until its end is known. */
const endingMs = 500;

/** The memory of a machine that is to become a template: as long as its memory, and empty. */
export async function makeMemoryFile(directory: string, shape: MachineShape): Promise<string> {
  const path = templateFiles(directory).memory;
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(shape.memoryBytes);
  return path;
}
