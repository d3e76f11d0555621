/** Mounts an EROFS image on this host: for tests only, the daemon never mounts what an image wrote. */
import { execFile } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface MountedImage extends AsyncDisposable {
  readonly path: string;
}

export async function mountErofs(image: string): Promise<MountedImage> {
  const path = await mkdtemp(join(tmpdir(), 'dvm-erofs-'));
  await run('mount', ['-t', 'erofs', '-o', 'loop,ro', image, path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path]);
      await rmdir(path);
    },
  };
}

/** Everything a file system tree holds, as one archive: names, modes, owners, times to the nanosecond, links, devices, attributes, bytes. */
export async function archiveOf(directory: string): Promise<Buffer> {
  const { stdout } = await run(
    'tar',
    [
      '--sort=name',
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
      '--format=pax',
      '--pax-option=delete=atime,delete=ctime,exthdr.name=%f',
      '-C',
      directory,
      '-cf',
      '-',
      '.',
    ],
    { encoding: 'buffer', maxBuffer: 1024 ** 3 },
  );
  return stdout;
}
