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
/** Early allocations and the initramfs. */
const topBytes = { trimmed: 24 * mib, stock: 64 * mib, custom: 64 * mib } as const;
/** What grows with memory, at the top as well: the table of pages, 64 bytes for each 4 KiB, and hashes. */
const tablesShare = 52;
/** The machine's memory has a gap behind its third GiB, and a kernel allocates from below and above it too. */
const gap = { atBytes: 3 * 1024 * mib, belowBytes: 16 * mib, aboveBytes: 48 * mib } as const;
/** A smaller region is not worth its while. */
const leastOwnBytes = 64 * mib;

interface Range {
  readonly from: number;
  readonly to: number;
}

export function memoryRegions(shape: MachineShape): readonly MemoryRegion[] {
  const regions: MemoryRegion[] = [];
  const add = (from: number, to: number, shared: boolean) => {
    if (to > from)
      regions.push({ id: `memory${regions.length}`, offsetBytes: from, sizeBytes: to - from, shared });
  };
  const shared = mergeClose(sharedRanges(shape));
  for (const [index, range] of shared.entries()) {
    add(range.from, range.to, true);
    add(range.to, shared[index + 1]?.from ?? range.to, false);
  }
  return regions;
}

function sharedRanges({ memoryBytes, kernel }: MachineShape): readonly Range[] {
  const top = roundUp(topBytes[kernel.kind] + memoryBytes / tablesShare, 2 * mib);
  const around = { from: gap.atBytes - gap.belowBytes, to: gap.atBytes + gap.aboveBytes };
  return [
    { from: 0, to: Math.min(bottomBytes[kernel.kind], memoryBytes) },
    ...(memoryBytes > gap.atBytes ? [{ from: around.from, to: Math.min(around.to, memoryBytes) }] : []),
    { from: Math.max(0, memoryBytes - top), to: memoryBytes },
  ];
}

/** One range for those that overlap or have little between them. */
function mergeClose(ranges: readonly Range[]): readonly Range[] {
  const merged: Range[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last === undefined || range.from - last.to >= leastOwnBytes) merged.push(range);
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
  }
  return merged;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
