/** Where the guest's files are: the initramfs with the agent, the trimmed kernel when it is built, the stock one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';

export interface GuestFiles {
  readonly directory: string;
  readonly initramfsPath: string;
  /** May not be there yet: it takes some minutes to build. */
  readonly trimmedKernelPath: string;
  readonly stockKernelPath: string;
}

/** In the checkout, from the source or from a bundle; beside an installed program; where packages put it. */
export function findGuestFiles(programDirectory: string, named: string | undefined): GuestFiles {
  const candidates =
    named === undefined
      ? [
          join(programDirectory, '../../build/guest'),
          join(programDirectory, '../build/guest'),
          join(programDirectory, 'guest'),
          '/usr/lib/dvm/guest',
        ]
      : [named];
  const directory = candidates.find((path) => existsSync(join(path, 'initramfs.cpio')));
  if (directory === undefined)
    throw new EngineError(
      'not_found',
      `there is no initramfs.cpio in ${candidates.join(', ')}: build the guest with "make build", or name its directory with --guest-dir`,
    );
  return {
    directory,
    initramfsPath: join(directory, 'initramfs.cpio'),
    trimmedKernelPath: join(directory, 'trimmed', 'vmlinux'),
    stockKernelPath: join(directory, 'stock', 'vmlinuz'),
  };
}
