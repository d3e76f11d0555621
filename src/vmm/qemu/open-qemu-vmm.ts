/** Makes the driver for this host. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Accelerator } from '../../engine/ports/vmm.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { findCgroupParent } from '../../system/cgroup.ts';
import { installAdvice, isAtLeast, minimumVersion, programFor, qemuVersion } from './qemu-program.ts';
import { QemuVmm } from './qemu-vmm.ts';

export interface QemuVmmOptions {
  /** Gone after a reboot, as the machines are; a directory of its own, which is made. */
  readonly stateDirectory: string;
  readonly accelerator: Accelerator;
  /** As `probeAccelerator` measured it; needed in emulation. */
  readonly tscKhz?: number;
  readonly program?: string;
  /** Names the control groups' parent; `dvm` by default. Two daemons must not share one. */
  readonly cgroupName?: string;
  readonly launchTimeoutMs?: number;
}

/** Throws `not_found` or `failed_precondition` with advice when this host cannot run machines. */
export async function openQemuVmm(options: QemuVmmOptions, signal: AbortSignal): Promise<QemuVmm> {
  const program = options.program ?? programFor(options.accelerator);
  const version = await qemuVersion(program, signal);
  if (!isAtLeast(version, minimumVersion)) {
    throw new EngineError(
      'failed_precondition',
      `QEMU ${version} is too old, ${minimumVersion} is needed: ${installAdvice}`,
    );
  }
  const cgroups = findCgroupParent(options.cgroupName ?? 'dvm');
  if (cgroups === undefined) {
    throw new EngineError(
      'failed_precondition',
      'this host has no control groups (or none for memory): mount cgroup2',
    );
  }
  const machinesDirectory = join(options.stateDirectory, 'machines');
  const emptyRoot = join(options.stateDirectory, 'empty');
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o700 });
  await mkdir(machinesDirectory, { recursive: true, mode: 0o700 });
  await mkdir(emptyRoot, { recursive: true });
  await chmod(emptyRoot, 0o555);
  return new QemuVmm({
    program,
    version,
    accelerator: options.accelerator,
    tscKhz: options.tscKhz,
    machinesDirectory,
    emptyRoot,
    cgroups,
    launchTimeoutMs: options.launchTimeoutMs ?? 30_000,
  });
}
