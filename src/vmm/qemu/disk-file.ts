/** A disk's file on the host: opened here, handed to the VMM as a descriptor, always taken as raw. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Json } from '../../engine/model/json.ts';
import type { DiskSpec } from '../../engine/ports/vmm.ts';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';

/** Throws `not_found`, `permission_denied`, or `invalid_argument` for what is no regular file. */
export async function openDisk(disk: DiskSpec): Promise<FileHandle> {
  const access = disk.readonly ? constants.O_RDONLY : constants.O_RDWR;
  let file: FileHandle;
  try {
    // Not through a link, and not waiting for a pipe's other end.
    file = await open(disk.path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = isErrno(error, 'ENOENT')
      ? 'not_found'
      : isErrno(error, 'EACCES', 'EROFS')
        ? 'permission_denied'
        : 'internal';
    throw new EngineError(code, `cannot open disk ${disk.path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw new EngineError('invalid_argument', `disk ${disk.path} is not a regular file`);
}

/** The block node for it in QEMU, which opens it as `filename`: a descriptor set. */
export function fileNode(name: string, filename: string, readonly: boolean): Readonly<Record<string, Json>> {
  return {
    driver: 'raw',
    'node-name': name,
    'read-only': readonly,
    discard: readonly ? 'ignore' : 'unmap', // what the guest trims goes back to the host
    // No locks: QEMU probes for them through /dev/null, which its root does not have. Whom a disk belongs to is known.
    file: {
      driver: 'file',
      filename,
      'read-only': readonly,
      discard: readonly ? 'ignore' : 'unmap',
      locking: 'off',
    },
  };
}
