/**
 * Control groups for processes we start: version 2 (unified) or version 1 with memory, pids and cpu hierarchies.
 *
 * Version 2 forbids processes in a group that has children with controllers, so the groups cannot stand below a
 * service's own: they stand in `/dvm` at the root, as other runtimes' do. In version 1 they stand below this process's
 * own groups, so that whatever limits us limits them too.
 */
import { readFileSync } from 'node:fs';
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from './errno.ts';

export interface CgroupLimits {
  readonly memoryMaxBytes: number;
  readonly pidsMax: number;
  /** CPU time per 100 ms, µs; undefined = no limit. */
  readonly cpuQuotaUs?: number;
}

export type CgroupController = 'memory' | 'pids' | 'cpu';
const controllers: readonly CgroupController[] = ['memory', 'pids', 'cpu'];
const cpuPeriodUs = 100_000;

/** Where groups are made: one directory for all controllers in version 2, one for each in version 1. */
export interface CgroupParent {
  readonly version: 1 | 2;
  readonly directories: Readonly<Partial<Record<CgroupController, string>>>;
}

/** Finds out what this host has. `mounts` and `own` are /proc/self/mountinfo and /proc/self/cgroup. */
export function findCgroupParent(
  name: string,
  mounts = readFileSync('/proc/self/mountinfo', 'utf8'),
  own = readFileSync('/proc/self/cgroup', 'utf8'),
): CgroupParent | undefined {
  const mounted = mounts.split('\n').flatMap(parseMount);
  const ownGroups = new Map(own.split('\n').flatMap(parseOwnGroup));
  const v1: Partial<Record<CgroupController, string>> = {};
  for (const controller of controllers) {
    const mount = mounted.find((m) => m.type === 'cgroup' && m.options.includes(controller));
    const group = ownGroups.get(controller);
    if (mount !== undefined && group !== undefined)
      v1[controller] = join(mount.point, below(mount.root, group), name);
  }
  if (v1.memory !== undefined) return { version: 1, directories: v1 };
  const unified = mounted.find((m) => m.type === 'cgroup2');
  if (unified === undefined) return undefined;
  const directory = join(unified.point, name);
  return { version: 2, directories: { memory: directory, pids: directory, cpu: directory } };
}

/** One group, by its directories; there may be nothing in them (any more). */
export class Cgroup {
  readonly directories: readonly string[];
  readonly #parent: CgroupParent;
  readonly #name: string;

  constructor(parent: CgroupParent, name: string) {
    this.#parent = parent;
    this.#name = name;
    this.directories = [...new Set(Object.values(parent.directories))].map((directory) =>
      join(directory, name),
    );
  }

  /** Makes the group with its limits. Half of it is removed again when that fails. */
  async create(limits: CgroupLimits): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#make(limits);
        return;
      } catch (error) {
        await this.remove();
        // Another group's removal may have taken the parent away in between.
        if (isErrno(error, 'ENOENT') && attempt < 5) continue;
        throw new EngineError('unavailable', `cannot make control group ${this.#name}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
  }

  async #make(limits: CgroupLimits): Promise<void> {
    if (this.#parent.version === 2) await enableControllers(this.#parent);
    await Promise.all(this.directories.map((directory) => mkdir(directory, { recursive: true })));
    await Promise.all(limitFiles(this.#parent.version, limits).map((file) => this.#write(file)));
  }

  async add(pid: number): Promise<void> {
    await Promise.all(
      this.directories.map((directory) => writeFile(join(directory, 'cgroup.procs'), String(pid))),
    );
  }

  /** Pids of the processes in it. */
  async processes(): Promise<readonly number[]> {
    const lists = await Promise.all(
      this.directories.map((directory) => readIfThere(join(directory, 'cgroup.procs'))),
    );
    return [...new Set(lists.flatMap((list) => list.split('\n').filter(Boolean)))].map(Number);
  }

  /**
   * Removes the group, and the parent with the last one. Its processes must have been killed; those that are still
   * ending are waited for, 5 s.
   */
  async remove(): Promise<void> {
    await Promise.all(
      this.directories.map(async (directory) => {
        await removeGroup(directory);
        await removeIfEmpty(dirname(directory));
      }),
    );
  }

  async #write(file: LimitFile): Promise<void> {
    const directory = this.#parent.directories[file.controller];
    if (directory === undefined) return; // the doctor says which controllers this host lacks
    const path = join(directory, this.#name, file.name);
    try {
      await writeFile(path, file.value);
    } catch (error) {
      if (!(file.optional === true && isErrno(error, 'ENOENT', 'EACCES'))) throw error;
    }
  }
}

/** Names of the groups that exist. */
export async function listCgroups(parent: CgroupParent): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const directory of new Set(Object.values(parent.directories))) {
    try {
      for (const entry of await readdir(directory, { withFileTypes: true }))
        if (entry.isDirectory()) names.add(entry.name);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return [...names];
}

interface LimitFile {
  readonly controller: CgroupController;
  readonly name: string;
  readonly value: string;
  /** Not on every kernel. */
  readonly optional?: boolean;
}

function limitFiles(version: 1 | 2, limits: CgroupLimits): readonly LimitFile[] {
  const memory = String(limits.memoryMaxBytes);
  const pids: LimitFile = { controller: 'pids', name: 'pids.max', value: String(limits.pidsMax) };
  if (version === 2) {
    const quota = limits.cpuQuotaUs === undefined ? 'max' : String(limits.cpuQuotaUs);
    return [
      pids,
      { controller: 'memory', name: 'memory.max', value: memory },
      { controller: 'memory', name: 'memory.swap.max', value: '0', optional: true },
      { controller: 'cpu', name: 'cpu.max', value: `${quota} ${cpuPeriodUs}` },
    ];
  }
  return [
    pids,
    { controller: 'memory', name: 'memory.limit_in_bytes', value: memory },
    { controller: 'cpu', name: 'cpu.cfs_period_us', value: String(cpuPeriodUs), optional: true },
    { controller: 'cpu', name: 'cpu.cfs_quota_us', value: String(limits.cpuQuotaUs ?? -1), optional: true },
  ];
}

/** In version 2 a controller is there for a group only when every group above it hands it down. */
async function enableControllers(parent: CgroupParent): Promise<void> {
  const directory = parent.directories.memory;
  if (directory === undefined) return;
  await mkdir(directory, { recursive: true });
  const wanted = controllers.map((controller) => `+${controller}`).join(' ');
  for (const level of [join(directory, '..'), directory])
    await writeFile(join(level, 'cgroup.subtree_control'), wanted);
}

async function removeGroup(directory: string): Promise<void> {
  const deadline = Date.now() + 5000;
  for (;;) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      if (!isErrno(error, 'EBUSY') || Date.now() > deadline) throw error;
    }
    await delay(5); // the kernel takes a killed process out of its group a moment after it can be waited for
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EBUSY')) throw error;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return '';
    throw error;
  }
}

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** See proc_pid_mountinfo(5): `36 35 98:0 /root /point opts [optional]* - type source superoptions`. */
function parseMount(line: string): readonly Mount[] {
  const [left, right] = line.split(' - ');
  const [, , , root, point] = left?.split(' ') ?? [];
  const [type, , options] = right?.split(' ') ?? [];
  if (root === undefined || point === undefined || type === undefined || options === undefined) return [];
  return [{ root, point: unescape(point), type, options: options.split(',') }];
}

function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}

/** `4:memory:/path` or `3:cpu,cpuacct:/path`, one pair for each controller. */
function parseOwnGroup(line: string): readonly (readonly [string, string])[] {
  const [, names, ...path] = line.split(':');
  if (names === undefined || path.length === 0) return [];
  return names.split(',').map((name) => [name, path.join(':')] as const);
}

/** A mount may show only a part of the hierarchy (in a container): what is below its root. */
function below(root: string, group: string): string {
  if (root === '/') return group;
  return group === root || group.startsWith(`${root}/`) ? group.slice(root.length) : '/';
}
