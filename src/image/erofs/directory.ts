/**
 * Directories on disk: blocks that each hold sorted entries and then their names, so that the kernel finds a name by two
 * binary searches. "." and ".." are entries like the others and stand in byte order among them.
 */
import { blockBytes, direntBytes, direntType, typeDirectory } from './format.ts';
import type { Inode } from './inode.ts';

/** A directory with what is needed to write it. */
export interface Directory {
  readonly inode: Inode;
  readonly parent: Inode;
  /** All names in byte order. */
  readonly names: readonly string[];
  /** Index of the first name of each block. */
  readonly blockStarts: readonly number[];
}

export function planDirectory(inode: Inode, parent: Inode): Directory {
  const names = [...(inode.children?.keys() ?? []), '.', '..'].sort(byteOrder);
  const blockStarts: number[] = [0];
  let used = 0;
  for (const [i, name] of names.entries()) {
    const bytes = direntBytes + name.length;
    if (used + bytes > blockBytes) {
      blockStarts.push(i);
      used = 0;
    }
    used += bytes;
  }
  inode.size = (blockStarts.length - 1) * blockBytes + used;
  return { inode, parent, names, blockStarts };
}

/** One latin1 character is one byte, so the order of characters is the order the kernel wants. */
function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Writes block `index` of a directory at `start` of zeroed room. `nidOf` gives an inode's number. */
export function encodeDirectoryBlock(
  directory: Directory,
  index: number,
  out: Buffer,
  start: number,
  nidOf: (inode: Inode) => number,
): void {
  const from = directory.blockStarts[index] ?? 0;
  const to = directory.blockStarts[index + 1] ?? directory.names.length;
  let nameAt = (to - from) * direntBytes;
  for (let i = from; i < to; i++) {
    const name = directory.names[i] ?? '';
    const child = childOf(directory, name);
    const nid = nidOf(child);
    const at = start + (i - from) * direntBytes;
    out.writeUInt32LE(nid % 0x1_0000_0000, at);
    out.writeUInt32LE(Math.floor(nid / 0x1_0000_0000), at + 4);
    out.writeUInt16LE(nameAt, at + 8);
    out[at + 10] = name === '.' || name === '..' ? direntType(typeDirectory) : direntType(child.mode);
    out.write(name, start + nameAt, 'latin1');
    nameAt += name.length;
  }
}

function childOf(directory: Directory, name: string): Inode {
  if (name === '.') return directory.inode;
  if (name === '..') return directory.parent;
  return directory.inode.children?.get(name) ?? directory.inode;
}
