import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { runCommand } from '../../system/run-command.ts';
import { initramfsFor } from './modular-initramfs.ts';
import { moduleArchive } from './kernel-modules.ts';

const signal = new AbortController().signal;
const release = '6.12.1-test';

test('modules stand behind what they depend on; built-in ones are left out; cpio reads the archive', async () => {
  await using kernel = await fakeKernel({ virtio_scsi: 'scsi_mod', 'scsi-mod': '', overlay: '' });
  const archive = await moduleArchive(kernel.modules, signal);
  const listed = await runCommand('cpio', ['--quiet', '-t'], { input: archive });
  assert.deepEqual(listed.stdout.toString().trim().split('\n'), [
    'modules',
    'modules/order',
    'modules/scsi_mod.ko',
    'modules/virtio_scsi.ko',
    'modules/overlay.ko',
  ]);
  const order = await runCommand('cpio', ['--quiet', '-i', '--to-stdout', 'modules/order'], {
    input: archive,
  });
  assert.equal(order.stdout.toString(), 'scsi_mod.ko\nvirtio_scsi.ko\noverlay.ko\n');
});

test('a kernel that lacks a needed module is refused by its name', async () => {
  await using kernel = await fakeKernel({ virtio_scsi: '' });
  await assert.rejects(moduleArchive(kernel.modules, signal), {
    code: 'invalid_argument',
    message: /module overlay/,
  });
});

test('the initramfs is made once, and anew for another agent', async () => {
  await using kernel = await fakeKernel({ virtio_scsi: '', overlay: '' });
  const base = join(kernel.path, 'initramfs.cpio');
  const cache = join(kernel.path, 'cache');
  await writeFile(base, 'agent one');
  const first = await initramfsFor(kernel.image, release, base, cache, signal);
  assert.ok((await readFile(first)).toString('latin1').startsWith('agent one070701'));
  assert.equal(await initramfsFor(kernel.image, release, base, cache, signal), first);
  await writeFile(base, 'agent two');
  const second = await initramfsFor(kernel.image, release, base, cache, signal);
  assert.notEqual(second, first);
  await assert.rejects(readFile(first), { code: 'ENOENT' });
  assert.equal(await initramfsFor(kernel.image, 'no-such-release', base, cache, signal), base);
});

/** `modules`: name of the file → what it depends on; the rest of what is needed is built in. */
async function fakeKernel(modules: Readonly<Record<string, string>>) {
  const path = await mkdtemp(join(tmpdir(), 'dvm-modules-'));
  const directory = join(path, 'modules', release);
  await mkdir(join(directory, 'kernel/drivers'), { recursive: true });
  for (const [name, depends] of Object.entries(modules)) {
    const module = Buffer.from(`\x7fELF\0name=${name}\0depends=${depends}\0retpoline=Y\0`, 'latin1');
    await writeFile(join(directory, `kernel/drivers/${name}.ko.gz`), gzipSync(module));
  }
  const builtIn = ['virtio_mmio', 'virtio-console', 'sd_mod', 'erofs', 'ext4'];
  await writeFile(
    join(directory, 'modules.builtin'),
    builtIn.map((name) => `kernel/x/${name}.ko\n`).join(''),
  );
  return {
    path,
    modules: directory,
    image: join(path, 'vmlinuz'),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}
