/**
 * Where a freshly made ext4 file system can have blocks that are not zero, read from its superblock, its group
 * descriptors and its bitmaps: a sparse file of many gigabytes need not be read through to find the few that count.
 * Only for file systems that this host's own mke2fs has just made.
 */
import type { FileHandle } from 'node:fs/promises';
import { EngineError } from '../../errors/engine-error.ts';

export const blockBytes = 4096;

const superblockOffset = 1024;
const magic = 0xef53;
const inodeBytes = 256;
const descriptorBytes = 32;
const inodeUninit = 1;
const blockUninit = 2;

/** A run of blocks. */
export interface BlockRange {
  readonly first: number;
  readonly count: number;
}

interface Group {
  readonly index: number;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly usedInodes: number;
  readonly hasBlocks: boolean;
  readonly hasInodes: boolean;
}

interface Layout {
  readonly blocks: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly descriptorBlocks: number;
  readonly groups: readonly Group[];
}

/** In no order, and some of them may be zero all the same. */
export async function blocksInUse(file: FileHandle): Promise<readonly BlockRange[]> {
  const layout = await readLayout(file);
  const tableBlocks = Math.ceil((layout.inodesPerGroup * inodeBytes) / blockBytes);
  const isTable = tableTest(layout.groups, tableBlocks);
  const ranges: BlockRange[] = [{ first: 0, count: 1 + layout.descriptorBlocks }];
  for (const group of layout.groups) {
    if (group.hasInodes) {
      ranges.push({ first: group.inodeBitmap, count: 1 });
      const count = Math.ceil((group.usedInodes * inodeBytes) / blockBytes);
      ranges.push({ first: group.inodeTable, count });
    }
    if (!group.hasBlocks) continue;
    ranges.push({ first: group.blockBitmap, count: 1 });
    const bitmap = await readBlocks(file, group.blockBitmap, 1);
    const base = group.index * layout.blocksPerGroup;
    const limit = Math.min(layout.blocksPerGroup, layout.blocks - base);
    ranges.push(...usedRanges(bitmap, base, limit, isTable));
  }
  return ranges.filter(({ count }) => count > 0);
}

async function readLayout(file: FileHandle): Promise<Layout> {
  const superblock = (await readBlocks(file, 0, 1)).subarray(superblockOffset);
  if (superblock.readUInt16LE(56) !== magic || superblock.readUInt32LE(24) !== 2)
    throw new EngineError('internal', 'mke2fs made no ext4 file system with blocks of 4096 bytes');
  const blocks = superblock.readUInt32LE(4);
  const blocksPerGroup = superblock.readUInt32LE(32);
  const inodesPerGroup = superblock.readUInt32LE(40);
  const count = Math.ceil(blocks / blocksPerGroup);
  const descriptorBlocks = Math.ceil((count * descriptorBytes) / blockBytes);
  const descriptors = await readBlocks(file, 1, descriptorBlocks);
  const groups = Array.from({ length: count }, (_, index) => {
    const at = index * descriptorBytes;
    const flags = descriptors.readUInt16LE(at + 18);
    return {
      index,
      blockBitmap: descriptors.readUInt32LE(at),
      inodeBitmap: descriptors.readUInt32LE(at + 4),
      inodeTable: descriptors.readUInt32LE(at + 8),
      usedInodes: inodesPerGroup - descriptors.readUInt16LE(at + 28),
      hasBlocks: (flags & blockUninit) === 0,
      hasInodes: (flags & inodeUninit) === 0,
    };
  });
  return { blocks, blocksPerGroup, inodesPerGroup, descriptorBlocks, groups };
}

/** Tables stand side by side, many groups' in a row: few ranges, looked up by bisection. */
function tableTest(groups: readonly Group[], tableBlocks: number): (block: number) => boolean {
  const merged: { first: number; end: number }[] = [];
  for (const first of groups.map(({ inodeTable }) => inodeTable).sort((a, b) => a - b)) {
    const last = merged.at(-1);
    if (last?.end === first) last.end += tableBlocks;
    else merged.push({ first, end: first + tableBlocks });
  }
  return (block) => {
    let low = 0;
    let high = merged.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((merged[middle]?.end ?? Infinity) <= block) low = middle + 1;
      else high = middle;
    }
    return (merged[low]?.first ?? Infinity) <= block;
  };
}

/** The bits of one group's bitmap, inode tables left out: of those only the used part counts. */
function usedRanges(
  bitmap: Buffer,
  base: number,
  limit: number,
  isTable: (block: number) => boolean,
): BlockRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (let bit = 0; bit < limit; bit++) {
    if (((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) continue;
    const block = base + bit;
    if (isTable(block)) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count++;
    else ranges.push({ first: block, count: 1 });
  }
  return ranges;
}

export async function readBlocks(file: FileHandle, first: number, count: number): Promise<Buffer> {
  const buffer = Buffer.alloc(count * blockBytes);
  await file.read(buffer, 0, buffer.length, first * blockBytes);
  return buffer;
}
