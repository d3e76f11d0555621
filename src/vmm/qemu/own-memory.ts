/** The part of a clone's memory that is its own: a file without a name, which goes when the VMM does. */
import { open } from 'node:fs/promises';
import { memoryFile } from '../../system/libc.ts';
import { copyExtents, dataExtents } from '../../system/sparse-file.ts';
import { ownDescriptor } from '../../system/unix-socket.ts';
import type { OwnedDescriptor } from '../../system/unix-socket.ts';
import type { MemoryRegion } from './memory-layout.ts';

/** Makes it and copies what the template has there: next to nothing, or the regions are badly chosen. */
export async function makeOwnMemory(
  region: MemoryRegion,
  templateMemoryPath: string,
  signal: AbortSignal,
): Promise<OwnedDescriptor> {
  const owned = ownDescriptor(memoryFile('dvm-memory'));
  try {
    await using target = await open(`/proc/self/fd/${owned.fd}`, 'r+');
    await target.truncate(region.sizeBytes);
    await using source = await open(templateMemoryPath, 'r');
    const extents = dataExtents(source.fd, region.offsetBytes + region.sizeBytes, region.offsetBytes);
    await copyExtents(source, target, extents, -region.offsetBytes, signal);
    return owned;
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}
