/** Which kernel and initramfs the tests of the runtime boot. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readGuestImage } from '../../src/runtime/microvm/guest-image.ts';
import type { GuestImage } from '../../src/runtime/microvm/guest-image.ts';
import { runCommand } from '../../src/system/run-command.ts';

const root = join(import.meta.dirname, '../..');
const guest = join(root, 'build/guest');

/** DVM_KERNEL and DVM_INITRAMFS, else what was built. Throws when there is none: build it with `make guest kernels`. */
export async function testGuestImage(signal: AbortSignal): Promise<GuestImage> {
  const kernel = process.env['DVM_KERNEL'] ?? built('trimmed/vmlinux');
  return await readGuestImage(
    kernel,
    process.env['DVM_INITRAMFS'] ?? built('initramfs.cpio'),
    'trimmed',
    signal,
  );
}

/** The distribution's kernel as a user's own, with an initramfs that has its modules, made in `directory`. */
export async function stockGuestImage(directory: string, signal: AbortSignal): Promise<GuestImage> {
  const kernel = built('stock/vmlinuz');
  const initramfs = join(directory, 'stock-initramfs.cpio');
  const { stdout } = await runCommand('cat', [built('stock/release')], { signal });
  const modules = join(guest, 'stock/modules', stdout.toString().trim());
  await runCommand('sh', [join(root, 'guest/initramfs/build.sh'), initramfs, modules], { signal });
  return await readGuestImage(kernel, initramfs, 'custom', signal);
}

function built(name: string): string {
  const path = join(guest, name);
  if (!existsSync(path)) throw new Error(`${path} does not exist: run "make guest kernels" first`);
  return path;
}
