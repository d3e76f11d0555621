import { basename, join } from 'node:path';
import type { Vmm } from '../../src/engine/ports/vmm.ts';
import { openQemuVmm } from '../../src/vmm/qemu/open-qemu-vmm.ts';
import { probeAccelerator } from '../../src/vmm/qemu/probe-accelerator.ts';

/** The QEMU driver with everything it has below `directory`. */
export async function testVmm(directory: string): Promise<Vmm> {
  const signal = AbortSignal.timeout(60_000);
  const { accelerator, tscKhz } = await probeAccelerator({ wanted: 'auto' }, signal);
  const options = { stateDirectory: join(directory, 'qemu'), accelerator, cgroupName: basename(directory) };
  const program = process.env['DVM_QEMU'];
  return await openQemuVmm(
    { ...options, ...(tscKhz !== undefined && { tscKhz }), ...(program !== undefined && { program }) },
    signal,
  );
}
