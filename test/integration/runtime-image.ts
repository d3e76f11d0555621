/** A small image for tests of the runtime: Debian's static busybox as EROFS, and blank disks. */
import { cp, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerFile } from '../../src/engine/ports/pod-runtime.ts';
import { runCommand } from '../../src/system/run-command.ts';

/** The layer's root has every applet in /bin, and what a file system is expected to have. */
export async function busyboxLayer(directory: string): Promise<LayerFile> {
  const root = join(directory, 'busybox');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp']) {
    await mkdir(join(root, name), { recursive: true });
  }
  await cp('/bin/busybox', join(root, 'bin/busybox'), { dereference: true });
  const { stdout } = await runCommand('/bin/busybox', ['--list']);
  for (const applet of stdout.toString().trim().split('\n')) {
    if (applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
  }
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n',
  );
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nuser:x:1000:\n');
  return await erofsLayer(root, join(directory, 'busybox.erofs'), '1');
}

/** `digit`: tells its digest from others' (the runtime believes digests). */
export async function erofsLayer(root: string, path: string, digit: string): Promise<LayerFile> {
  await runCommand('mkfs.erofs', ['--all-root', '-T0', path, root], { maxOutputBytes: 1 << 24 });
  return { digest: `sha256:${digit.repeat(64)}`, path };
}

export async function blankDisk(path: string, bytes = 64 << 20): Promise<string> {
  await writeFile(path, '');
  await truncate(path, bytes);
  await runCommand('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', '-E', 'nodiscard', path]);
  return path;
}
