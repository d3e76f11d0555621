/** The images of test/images/build.sh: real software from Debian's packages, built once and kept outside the checkout. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DvmCommand } from './dvm-command.ts';

export type TestImage = 'debian' | 'nginx' | 'redis' | 'postgres' | 'python' | 'node' | 'busybox';

const script = join(import.meta.dirname, '../images/build.sh');

/** The image as skopeo names it. The first call may take a minute. */
export async function testImage(name: TestImage): Promise<string> {
  const { stdout } = await promisify(execFile)(script);
  return `oci:${stdout.trim()}:${name}`;
}

/** `busybox:latest`, loaded from an archive. */
export async function loadBusybox(dvm: DvmCommand): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'dvm-busybox-'));
  try {
    const archive = join(directory, 'busybox.tar');
    await promisify(execFile)(join(import.meta.dirname, '../../scripts/busybox-image.sh'), [archive]);
    await dvm.run(['load', '-i', archive]);
  } finally {
    await rm(directory, { recursive: true });
  }
}
