/** The part of a clone's memory that is its own: a file without a name, which goes when the VMM does. */
import { open } from 'node:fs/promises';
import { memoryFile } from '../../system/libc.ts';
import { copyExtents, dataExtents } from '../../system/sparse-file.ts';
import { ownDescriptor } from '../../system/unix-socket.ts';
import type { OwnedDescriptor } from '../../system/unix-socket.ts';
import type { MemoryRegion } from './memory-layout.ts';

/**
 * Makes it, as long as the whole memory, with holes where the template's is mapped. What the template has in these regions
 * is copied: next to nothing, or the regions are badly chosen.
 */
export async function makeOwnMemory(
  regions: readonly MemoryRegion[],
  templateMemoryPath: string,
  signal: AbortSignal,
): Promise<OwnedDescriptor> {
  const owned = ownDescriptor(memoryFile('dvm-memory'));
  try {
    await using target = await open(`/proc/self/fd/${owned.fd}`, 'r+');
    await using source = await open(templateMemoryPath, 'r');
    for (const { offsetBytes, sizeBytes } of regions) {
      const end = offsetBytes + sizeBytes;
      await target.truncate(end);
      await copyExtents(source, target, dataExtents(source.fd, end, offsetBytes), signal);
    }
    return owned;
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}
