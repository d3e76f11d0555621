import { randomBytes } from 'node:crypto';
import type { MachineShape, MachineSpec } from '../../engine/ports/vmm.ts';

/** The VMM's own memory: translation cache in emulation, device models, I/O threads' stacks. */
const vmmOverheadBytes = 320 << 20;
/** Main loop, virtual CPUs, and the pool of I/O threads (64 in QEMU). */
const vmmThreads = 96;

/** A new machine of a shape, in a cage that fits it. */
export function machineSpec(shape: MachineShape, uid: number): MachineSpec {
  return {
    id: randomBytes(16).toString('hex'),
    shape,
    limits: {
      uid,
      gid: uid,
      memoryMaxBytes: shape.memoryBytes + vmmOverheadBytes,
      pidsMax: vmmThreads + shape.vcpus,
      // One CPU more than the guest has, for what the VMM does beside it.
      cpuQuotaUs: (shape.vcpus + 1) * 100_000,
    },
  };
}
