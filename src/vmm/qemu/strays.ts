/** What machines left on the host that nobody knows: after a crash between a side effect and its record. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '../../errors/engine-error.ts';
import { removeTemporaryFiles } from '../../system/atomic-file.ts';
import { Cgroup, listCgroups } from '../../system/cgroup.ts';
import { isErrno } from '../../system/errno.ts';
import { identifyProcess, isSameProcessAlive, signalProcess } from '../../system/process-identity.ts';
import type { ProcessIdentity } from '../../system/process-identity.ts';
import { vmmName } from './command-line.ts';
import type { DriverContext } from './driver-context.ts';
import { machineFiles, readRecord, removeMachineDirectory } from './machine-files.ts';
import type { MachineRecord } from './machine-files.ts';

const idPattern = /^[a-z0-9]{8,64}$/;
const killTimeoutMs = 10_000;

/** Ids of machines that have a directory, a control group or a process and are not in `known`. */
export async function listStrays(
  context: DriverContext,
  known: ReadonlySet<string>,
): Promise<readonly string[]> {
  await removeTemporaryFiles(context.machinesDirectory);
  const directories = await readdir(context.machinesDirectory);
  const groups = await listCgroups(context.cgroups);
  const found = new Set([...directories, ...groups].filter((name) => idPattern.test(name)));
  return [...found].filter((id) => !known.has(id));
}

/** Kills its process, removes its control group and its directory. `record` when there is no file of it any more. */
export async function removeStray(context: DriverContext, id: string, record?: MachineRecord): Promise<void> {
  const files = machineFiles(context.machinesDirectory, id);
  const recorded = record ?? (await readRecord(files));
  const group = new Cgroup(recorded?.cgroups ?? context.cgroups, id);
  const members = (await group.processes()).flatMap(identity);
  await endAll([...(recorded === undefined ? [] : [recorded]), ...members, ...(await findByName(id))], id);
  await group.remove();
  await removeMachineDirectory(files);
}

async function endAll(processes: readonly ProcessIdentity[], id: string): Promise<void> {
  const deadline = Date.now() + killTimeoutMs;
  for (const process of processes) signalProcess(process, 'SIGKILL');
  while (processes.some(isSameProcessAlive)) {
    if (Date.now() > deadline)
      throw new EngineError('unavailable', `the VMM of machine ${id} does not end when killed`);
    await delay(5);
  }
}

/** A VMM whose daemon died before it had recorded it, and before it was put into its group. */
async function findByName(id: string): Promise<readonly ProcessIdentity[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => isVmmOf(pid, id)).flatMap(identity);
}

function isVmmOf(pid: number, id: string): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return args[1] === '-name' && args[2] === vmmName(id);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return false;
    throw error;
  }
}

function identity(pid: number): readonly ProcessIdentity[] {
  const found = identifyProcess(pid);
  return found === undefined ? [] : [found];
}
