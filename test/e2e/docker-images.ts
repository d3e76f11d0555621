import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DockerCommand } from './docker-command.ts';

/** A Docker archive of `busybox:latest`, made from Debian's busybox. */
export async function busyboxArchive(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-busybox-'));
  try {
    const archive = join(directory, 'busybox.tar');
    await promisify(execFile)(join(import.meta.dirname, '../../scripts/busybox-image.sh'), [archive]);
    return await readFile(archive);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export async function loadBusyboxWithDocker(docker: DockerCommand): Promise<string> {
  return await docker.run(['load'], await busyboxArchive());
}
