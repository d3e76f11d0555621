/** A driver with directories and control groups of its own for one test, and the proof that nothing of it stays. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine, MachineShape, MachineSpec, MachineTemplate } from '../../src/engine/ports/vmm.ts';
import { findCgroupParent, listCgroups } from '../../src/system/cgroup.ts';
import type { CgroupParent } from '../../src/system/cgroup.ts';
import { isErrno } from '../../src/system/errno.ts';
import { openQemuVmm } from '../../src/vmm/qemu/open-qemu-vmm.ts';
import type { QemuVmmOptions } from '../../src/vmm/qemu/open-qemu-vmm.ts';
import type { QemuVmm } from '../../src/vmm/qemu/qemu-vmm.ts';
import { probeAccelerator } from '../../src/vmm/qemu/probe-accelerator.ts';
import { buildInitramfs, findKernel, GuestShell } from './vmm-guest.ts';

/** Why the tests cannot run here, if so. */
export async function whyNot(): Promise<string | false> {
  if (process.geteuid?.() !== 0) return 'needs root';
  return (await findKernel()) === undefined && 'no guest kernel: set DVM_KERNEL or build one';
}

let nextUid = 300_000 + (process.pid % 1000) * 100;

export class VmmHost implements AsyncDisposable {
  readonly vmm: QemuVmm;
  readonly directory: string;
  readonly cgroups: CgroupParent;
  readonly options: QemuVmmOptions;
  shape: MachineShape;
  readonly #descriptors: number;

  private constructor(
    vmm: QemuVmm,
    directory: string,
    cgroups: CgroupParent,
    options: QemuVmmOptions,
    shape: MachineShape,
  ) {
    this.vmm = vmm;
    this.directory = directory;
    this.cgroups = cgroups;
    this.options = options;
    this.shape = shape;
    this.#descriptors = openDescriptors();
  }

  static async open(overrides: Partial<QemuVmmOptions> = {}): Promise<VmmHost> {
    const signal = AbortSignal.timeout(60_000);
    const kernel = await findKernel();
    assert.ok(kernel);
    const probe = await probeAccelerator({ wanted: 'tcg' }, signal);
    const directory = await mkdtemp(join(tmpdir(), 'dvm-vmm-'));
    const cgroupName = `dvm-test-${randomBytes(4).toString('hex')}`;
    const options: QemuVmmOptions = {
      stateDirectory: join(directory, 'state'),
      accelerator: 'tcg',
      ...(probe.tscKhz !== undefined && { tscKhz: probe.tscKhz }),
      cgroupName,
      ...overrides,
    };
    const cgroups = findCgroupParent(cgroupName);
    assert.ok(cgroups);
    const shape = { vcpus: 1, memoryBytes: 256 << 20, kernel, initramfsPath: await buildInitramfs() };
    return new VmmHost(await openQemuVmm(options, signal), directory, cgroups, options, shape);
  }

  /** A machine of a user of its own. */
  spec(): MachineSpec {
    const uid = nextUid++;
    const limits = { uid, gid: uid, memoryMaxBytes: 600 << 20, pidsMax: 64 };
    return { id: `test${randomBytes(6).toString('hex')}`, shape: this.shape, limits };
  }

  async makeTemplate(signal: AbortSignal): Promise<MachineTemplate> {
    const directory = join(this.directory, `template-${randomBytes(4).toString('hex')}`);
    await mkdir(directory);
    await using machine = await this.vmm.bootTemplateSource(this.spec(), directory, signal);
    const guest = await connect(machine, signal);
    await guest.answer();
    guest.hangUp();
    return await machine.saveTemplate(signal);
  }

  /** Fails when a process, a directory, a control group or a descriptor is left; then removes what is the test's own. */
  async [Symbol.asyncDispose](): Promise<void> {
    const machines = await readdir(join(this.options.stateDirectory, 'machines'));
    const groups = [
      ...(await listCgroups(this.cgroups)),
      ...Object.values(this.cgroups.directories).filter(existsSync),
    ];
    const processes = await processesOf(this.directory);
    await rm(this.directory, { recursive: true });
    assert.deepEqual(
      { machines, groups, processes },
      { machines: [], groups: [], processes: [] },
      'left behind',
    );
    assert.equal(openDescriptors(), this.#descriptors, 'descriptors left open');
  }
}

export async function connect(machine: Machine, signal: AbortSignal): Promise<GuestShell> {
  return new GuestShell(await machine.connectChannel(signal));
}

/** Processes that name the directory in their arguments and are no zombies. */
export async function processesOf(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => pid !== process.pid && readIfThere(`/proc/${pid}/cmdline`).includes(directory));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
}

function openDescriptors(): number {
  // Sockets and files; epoll's and timers' own come and go with the event loop.
  return readDescriptors().filter((target) => !target.startsWith('anon_inode:')).length;
}

function readDescriptors(): readonly string[] {
  return fdNames().flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []; // that of this very listing
      throw error;
    }
  });
}

function fdNames(): readonly string[] {
  return readdirSync('/proc/self/fd');
}
