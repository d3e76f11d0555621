/** Copies of files that keep their holes: only what holds data is read and written. */
import { constants, copyFile, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isErrno } from './errno.ts';
import { seekData, seekHole } from './libc.ts';

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** The parts of an open file that hold data, in order, from `from` up to `to`. */
export function* dataExtents(fd: number, to: number, from = 0): Generator<Extent> {
  for (let offset = from; offset < to;) {
    const start = seekData(fd, offset);
    if (start === undefined || start >= to) return;
    const end = Math.min(seekHole(fd, start), to);
    yield { offset: start, length: end - start };
    offset = end;
  }
}

/**
 * Copies `from` to the new file `to`: sharing the blocks where the file system can (reflink), else extent by extent.
 * A failure leaves nothing behind.
 */
export async function copySparseFile(from: string, to: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return;
  } catch (error) {
    if (isErrno(error, 'EEXIST', 'ENOENT', 'EACCES')) throw error;
    await rm(to, { force: true });
  }
  try {
    await using source = await open(from, 'r');
    await using target = await open(to, 'wx', 0o600);
    const { size } = await source.stat();
    await target.truncate(size);
    await copyExtents(source, target, dataExtents(source.fd, size), signal);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) await rm(to, { force: true });
    throw error;
  }
}

/** Copies parts of one file to the same places of another. */
export async function copyExtents(
  from: FileHandle,
  to: FileHandle,
  extents: Iterable<Extent>,
  signal: AbortSignal,
): Promise<void> {
  for (const extent of extents) await copyExtent(from, to, extent, signal);
}

async function copyExtent(
  from: FileHandle,
  to: FileHandle,
  extent: Extent,
  signal: AbortSignal,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(extent.length, 1 << 20));
  for (let done = 0; done < extent.length;) {
    signal.throwIfAborted();
    const want = Math.min(buffer.length, extent.length - done);
    const { bytesRead } = await from.read(buffer, 0, want, extent.offset + done);
    if (bytesRead === 0) return; // it has become shorter meanwhile
    await writeFully(to, buffer.subarray(0, bytesRead), extent.offset + done);
    done += bytesRead;
  }
}

/** Writes all of `bytes` at `offset`; one write() may take only a part of them. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
