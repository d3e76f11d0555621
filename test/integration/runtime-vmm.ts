import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Vmm } from '../../src/engine/ports/vmm.ts';
import { findCgroupParent } from '../../src/system/cgroup.ts';
import { QemuVmm } from '../../src/vmm/qemu/qemu-vmm.ts';

/** The QEMU driver with everything it has below `directory`. */
export async function testVmm(directory: string): Promise<Vmm> {
  const machinesDirectory = join(directory, 'machines');
  const emptyRoot = join(directory, 'empty');
  await mkdir(machinesDirectory, { recursive: true, mode: 0o700 });
  await mkdir(emptyRoot, { recursive: true });
  const cgroups = findCgroupParent(basename(directory));
  if (cgroups === undefined) throw new Error('no control groups on this host');
  const vmm = new QemuVmm({
    program: '/usr/bin/qemu-system-x86_64',
    version: '10.0.2',
    accelerator: 'tcg',
    tscKhz: 2_100_000,
    machinesDirectory,
    emptyRoot,
    cgroups,
    launchTimeoutMs: 20_000,
  });
  if (process.env['DVM_TEST_BOOT']) Object.assign(vmm.capabilities, { clone: false });
  return vmm;
}
