import assert from 'node:assert/strict';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findGuestFiles } from './guest-files.ts';
import { GuestKernels } from './guest-kernels.ts';

const signal = new AbortController().signal;

test('the stock kernel serves until the trimmed one is linked into the directory', async () => {
  await using guest = await guestDirectory();
  await guest.addKernel('stock', 'vmlinuz', '6.12.1-cloud');
  const events = new EventEmitter();
  using kernels = await GuestKernels.open(guest.options(events), signal);
  assert.equal(kernels.current().kernel.kind, 'stock');
  assert.match(kernels.reason, /not built yet/);
  const before = kernels.current().kernel.hash;

  const switched = once(events, 'switched');
  await guest.addKernel('elsewhere', 'vmlinux', '6.12.1-dvm');
  await symlink('elsewhere', join(guest.path, '.new'));
  await rename(join(guest.path, '.new'), join(guest.path, 'trimmed'));
  await switched;
  assert.equal(kernels.current().kernel.kind, 'trimmed');
  assert.equal(kernels.current().kernel.release, '6.12.1-dvm');
  assert.notEqual(kernels.current().kernel.hash, before);
});

test('a configured kernel is the only one', async () => {
  await using guest = await guestDirectory();
  const own = await guest.addKernel('own', 'vmlinux', '7.0.0-mine');
  await guest.addKernel('trimmed', 'vmlinux', '6.12.1-dvm');
  using kernels = await GuestKernels.open({ ...guest.options(new EventEmitter()), kernelPath: own }, signal);
  assert.equal(kernels.current().kernel.kind, 'custom');
  assert.equal(kernels.current().kernel.release, '7.0.0-mine');
});

test('no kernel at all is refused, with what to do', async () => {
  await using guest = await guestDirectory();
  await assert.rejects(GuestKernels.open(guest.options(new EventEmitter()), signal), {
    code: 'not_found',
    message: /make kernels/,
  });
});

test("one pod's own kernel is read once, and again when the file has changed", async () => {
  await using guest = await guestDirectory();
  await guest.addKernel('stock', 'vmlinuz', '6.12.1-cloud');
  const own = await guest.addKernel('own', 'vmlinux', '7.0.0-mine');
  using kernels = await GuestKernels.open(guest.options(new EventEmitter()), signal);
  const first = await kernels.custom(own, signal);
  assert.equal(await kernels.custom(own, signal), first);
  await guest.addKernel('own', 'vmlinux', '7.0.0-changed');
  assert.equal((await kernels.custom(own, signal)).kernel.release, '7.0.0-changed');
  await assert.rejects(kernels.custom(join(guest.path, 'nothing'), signal), { code: 'not_found' });
});

async function guestDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'dvm-guest-'));
  await writeFile(join(path, 'initramfs.cpio'), 'initramfs');
  const files = findGuestFiles('/nowhere', path);
  return {
    path,
    options: (events: EventEmitter) => ({
      files,
      kernelPath: undefined,
      initramfsFor: () => Promise.resolve(files.initramfsPath),
      switched: () => events.emit('switched'),
      warn: (message: string, cause: unknown) => assert.fail(`${message}: ${String(cause)}`),
    }),
    /** Enough of an ELF vmlinux to be told from other files. */
    addKernel: async (directory: string, name: string, release: string) => {
      await mkdir(join(path, directory), { recursive: true });
      const head = Buffer.alloc(0x400);
      head.write('\x7fELF', 0, 'latin1');
      const kernel = join(path, directory, name);
      await writeFile(kernel, Buffer.concat([head, Buffer.from(`Linux version ${release} (x) \0`)]));
      return kernel;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}
