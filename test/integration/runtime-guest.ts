/** Which kernel and initramfs the tests of the runtime boot. */
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestImage } from '../../src/runtime/microvm/guest-image.ts';
import { readGuestImage } from '../../src/runtime/microvm/guest-image.ts';

const root = join(import.meta.dirname, '../..');

/** DVM_KERNEL and DVM_INITRAMFS, else what `make` has built last. Throws when there is none: build it with `make guest kernels`. */
export async function testGuestImage(signal: AbortSignal): Promise<GuestImage> {
  const cache = process.env['DVM_CACHE'] ?? '/var/cache/dvm';
  const kernel =
    process.env['DVM_KERNEL'] ??
    newest(join(cache, 'kernel/*/vmlinux')) ??
    newest(join(root, 'build/guest/stock/vmlinuz*'));
  const initramfs = process.env['DVM_INITRAMFS'] ?? newest(join(root, 'build/guest/initramfs.cpio'));
  if (kernel === undefined || initramfs === undefined) {
    throw new Error(
      `no ${kernel === undefined ? 'guest kernel' : 'initramfs'}: run "make guest kernels" first`,
    );
  }
  return await readGuestImage(kernel, initramfs, kernel.endsWith('vmlinux') ? 'trimmed' : 'stock', signal);
}

function newest(pattern: string): string | undefined {
  return globSync(pattern)
    .map((path) => ({ path, time: statSync(path).mtimeMs }))
    .sort((a, b) => b.time - a.time)[0]?.path;
}
