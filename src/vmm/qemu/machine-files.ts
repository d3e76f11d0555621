/** What a machine has on the host's file system: a directory with its sockets and the record of its process. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../../engine/model/json.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { moveIntoPlace, temporaryNameFor, writeFileAtomically } from '../../system/atomic-file.ts';
import type { CgroupParent } from '../../system/cgroup.ts';
import { isErrno } from '../../system/errno.ts';
import { asRecord } from './qmp-client.ts';

export interface MachineFiles {
  readonly directory: string;
  readonly qmpSocket: string;
  readonly channelSocket: string;
  readonly record: string;
}

/** Everything by which a machine is found again. */
export interface MachineRecord {
  readonly id: string;
  readonly pid: number;
  readonly startTime: string;
  readonly vcpus: number;
  readonly cgroups: CgroupParent;
}

const recordVersion = 1;

export function machineFiles(machinesDirectory: string, id: string): MachineFiles {
  if (!/^[a-z0-9]{8,64}$/.test(id)) {
    throw new EngineError('invalid_argument', `"${id}" is no machine id: 8 to 64 of a-z and 0-9`);
  }
  const directory = join(machinesDirectory, id);
  return {
    directory,
    qmpSocket: join(directory, 'qmp.sock'),
    channelSocket: join(directory, 'channel.sock'),
    record: join(directory, 'machine.json'),
  };
}

export async function makeMachineDirectory(files: MachineFiles): Promise<void> {
  try {
    await mkdir(files.directory, { mode: 0o700 });
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new EngineError('already_exists', `machine directory ${files.directory} is there already`, {
        cause: error,
      });
    }
    throw error;
  }
}

export async function removeMachineDirectory(files: MachineFiles): Promise<void> {
  // Out of the way first: whoever looks for machines never sees a half-removed one.
  const doomed = temporaryNameFor(files.directory);
  try {
    await moveIntoPlace(files.directory, doomed);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  await rm(doomed, { recursive: true, force: true });
}

export async function writeRecord(files: MachineFiles, record: MachineRecord): Promise<void> {
  await writeFileAtomically(files.record, `${JSON.stringify(recordToJson(record))}\n`, { mode: 0o600 });
}

/** Undefined when there is none that can be understood. */
export async function readRecord(files: MachineFiles): Promise<MachineRecord | undefined> {
  try {
    return parseRecord(JSON.parse(await readFile(files.record, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export function recordToJson(record: MachineRecord): Json {
  const { id, pid, startTime, vcpus, cgroups } = record;
  return {
    version: recordVersion,
    id,
    pid,
    startTime,
    vcpus,
    cgroups: { version: cgroups.version, directories: cgroups.directories },
  };
}

/** Undefined when it is not a record of this driver's and of a version it knows. */
export function parseRecord(value: unknown): MachineRecord | undefined {
  const record = asRecord(value);
  if (record?.['version'] !== recordVersion) return undefined;
  const { id, pid, startTime, vcpus } = record;
  const cgroups = parseCgroups(record['cgroups']);
  if (typeof id !== 'string' || typeof startTime !== 'string' || cgroups === undefined) return undefined;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 1) return undefined;
  if (typeof vcpus !== 'number') return undefined;
  return { id, pid, startTime, vcpus, cgroups };
}

function parseCgroups(value: unknown): CgroupParent | undefined {
  const parent = asRecord(value);
  const directories = asRecord(parent?.['directories']);
  const version = parent?.['version'];
  if ((version !== 1 && version !== 2) || directories === undefined) return undefined;
  const entries = (['memory', 'pids', 'cpu'] as const).flatMap((name) => {
    const directory = directories[name];
    return typeof directory === 'string' ? [[name, directory] as const] : [];
  });
  return { version, directories: Object.fromEntries(entries) };
}
