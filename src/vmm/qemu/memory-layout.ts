/**
 * How a machine's memory is put together. What a kernel touches while it boots lies at both ends: its image at the
 * bottom, its tables at the top. Clones share these two with their template, copy on write. What lies between is empty in
 * the template, and is each clone's own: there the host gets back what the guest frees, which QEMU refuses for memory
 * that is mapped from a read-only file (docs/decisions/0012-memory-goes-back.md).
 */
import type { MachineShape } from '../../engine/ports/vmm.ts';

export interface MemoryRegion {
  /** Names QEMU's memory block; a clone's must be named as its template's. */
  readonly id: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** Whether clones map it from the template's file, or have one of their own. */
  readonly shared: boolean;
}

const mib = 1 << 20;
/** Our kernel's image and what it allocates first; another's is larger, and brings drivers. */
const bottomBytes = { trimmed: 48 * mib, stock: 128 * mib, custom: 128 * mib } as const;
/** Early allocations, the initramfs; and the kernel's table of pages, 64 bytes for each 4 KiB. */
const topBytes = { trimmed: 24 * mib, stock: 64 * mib, custom: 64 * mib } as const;
const pageTableShare = 64;
/** A smaller middle is not worth its while. */
const leastMiddleBytes = 64 * mib;

export function memoryRegions(shape: MachineShape): readonly MemoryRegion[] {
  const { memoryBytes, kernel } = shape;
  const bottom = bottomBytes[kernel.kind];
  const top = roundUp(topBytes[kernel.kind] + memoryBytes / pageTableShare, 2 * mib);
  const middle = memoryBytes - bottom - top;
  if (middle < leastMiddleBytes)
    return [{ id: 'memory0', offsetBytes: 0, sizeBytes: memoryBytes, shared: true }];
  return [
    { id: 'memory0', offsetBytes: 0, sizeBytes: bottom, shared: true },
    { id: 'memory1', offsetBytes: bottom, sizeBytes: middle, shared: false },
    { id: 'memory2', offsetBytes: bottom + middle, sizeBytes: top, shared: true },
  ];
}

/** The region that each clone has for itself; undefined when the machine is too small to have one. */
export function ownRegion(shape: MachineShape): MemoryRegion | undefined {
  return memoryRegions(shape).find((region) => !region.shared);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
