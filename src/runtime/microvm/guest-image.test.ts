import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readGuestImage, readKernelRelease } from './guest-image.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dvm-kernel-'));
});
after(() => rm(directory, { recursive: true }));

async function file(name: string, content: Buffer | string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

function bzImage(version: string): Buffer {
  const image = Buffer.alloc(0x4000);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(0x1000, 0x20e);
  image.write(version, 0x1200, 'latin1');
  return image;
}

function vmlinux(banner: string, at: number): Buffer {
  const image = Buffer.alloc(at + banner.length + 4096);
  image.write('\x7fELF', 0, 'latin1');
  image.write(banner, at, 'latin1');
  return image;
}

test('a bzImage and a vmlinux name their release', async () => {
  const compressed = await file('bzImage', bzImage('6.1.0-43-cloud-amd64 (debian-kernel@x) #1 SMP'));
  assert.equal(await readKernelRelease(compressed), '6.1.0-43-cloud-amd64');
  const plain = await file('vmlinux', vmlinux('Linux version 6.12.1-dvm (root@x) ', (1 << 20) - 7));
  assert.equal(await readKernelRelease(plain), '6.12.1-dvm', 'also across the pieces it is read in');
});

test('what is no kernel is refused, saying why', async () => {
  const cases: [string, Buffer | string, RegExp][] = [
    ['empty', '', /too short/],
    ['text', 'x'.repeat(10_000), /neither/],
    ['elf', vmlinux('', 4096), /does not name its version/],
    ['evil', bzImage('../../etc/passwd'), /does not name its version/],
  ];
  for (const [name, content, message] of cases) {
    await assert.rejects(readKernelRelease(await file(name, content)), { code: 'invalid_argument', message });
  }
  await assert.rejects(readKernelRelease(join(directory, 'nothing')), { code: 'not_found' });
  await assert.rejects(readKernelRelease(directory), {
    code: 'invalid_argument',
    message: /not a regular file/,
  });
});

test('the hash is of kernel and initramfs', async (t) => {
  const kernel = await file('kernel', bzImage('6.1.0 x'));
  const one = await file('one', 'initramfs one');
  const two = await file('two', 'initramfs two');
  const first = await readGuestImage(kernel, one, 'custom', t.signal);
  assert.equal(first.kernel.release, '6.1.0');
  assert.equal(first.kernel.kind, 'custom');
  assert.equal(first.kernel.hash, (await readGuestImage(kernel, one, 'custom', t.signal)).kernel.hash);
  assert.notEqual(first.kernel.hash, (await readGuestImage(kernel, two, 'custom', t.signal)).kernel.hash);
  await assert.rejects(readGuestImage(kernel, join(directory, 'none'), 'custom', t.signal), {
    code: 'not_found',
  });
});
