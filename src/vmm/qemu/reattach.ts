/** Finds a machine again that an earlier daemon started. */
import type { Json } from '../../engine/model/json.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { withDeadline } from '../../system/deadline.ts';
import { isSameProcessAlive } from '../../system/process-identity.ts';
import { connectToUnixSocket } from '../../system/unix-socket.ts';
import { DiskPlugs } from './disk-plugs.ts';
import type { DriverContext } from './driver-context.ts';
import { machineFiles, parseRecord } from './machine-files.ts';
import { QemuMachine } from './qemu-machine.ts';
import { QmpClient, asRecord } from './qmp-client.ts';
import { removeStray } from './strays.ts';
import { adoptedVmmProcess } from './vmm-process.ts';

const answerTimeoutMs = 10_000;

/** Undefined when it is gone; nothing of it is left on the host then. Rejects when it is there and does not answer. */
export async function reattach(
  context: DriverContext,
  value: Json,
  signal: AbortSignal,
): Promise<QemuMachine | undefined> {
  const record = parseRecord(value);
  if (record === undefined)
    throw new EngineError('invalid_argument', 'this is not the record of a QEMU machine');
  const files = machineFiles(context.machinesDirectory, record.id);
  if (!isSameProcessAlive(record)) {
    await removeStray(context, record.id, record);
    return undefined;
  }
  using deadline = withDeadline(signal, answerTimeoutMs, `QEMU of machine ${record.id} to answer`);
  const qmp = new QmpClient(connectToUnixSocket(files.qmpSocket));
  try {
    await qmp.negotiate(deadline.signal);
    const disks = new DiskPlugs(qmp);
    await disks.rediscover(deadline.signal);
    const status = asRecord(await qmp.execute('query-status', {}, deadline.signal));
    if (status?.['status'] === 'shutdown' || status?.['status'] === 'guest-panicked') {
      // The guest ended while nobody was there: QEMU waited for us to know.
      qmp.close();
      await removeStray(context, record.id, record);
      return undefined;
    }
    const process = adoptedVmmProcess({ pid: record.pid, startTime: record.startTime }, qmp.closed);
    return new QemuMachine({ record, files, process, qmp, disks });
  } catch (error) {
    qmp.close();
    throw error;
  }
}
