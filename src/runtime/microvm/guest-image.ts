/** What a machine boots: a kernel and the initramfs that belongs to it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import type { GuestKernel } from '../../engine/ports/vmm.ts';
import { isErrno } from '../../system/errno.ts';

export interface GuestImage {
  readonly kernel: GuestKernel;
  readonly initramfsPath: string;
}

/** Where kernels come from. The daemon may switch from the stock to the trimmed one while it runs. */
export interface GuestImages {
  /** The kernel for pods that do not name one, as of now. */
  current(): GuestImage;
  /** A kernel of the user's own with an initramfs that has what it needs (its modules). */
  custom(kernelPath: string, signal: AbortSignal): Promise<GuestImage>;
}

/** Reads, checks and hashes a kernel and its initramfs. Throws `not_found` or `invalid_argument`. */
export async function readGuestImage(
  kernelPath: string,
  initramfsPath: string,
  kind: GuestKernel['kind'],
  signal: AbortSignal,
): Promise<GuestImage> {
  const release = await readKernelRelease(kernelPath);
  const hash = createHash('sha256');
  for (const path of [kernelPath, initramfsPath]) {
    const file = createHash('sha256');
    try {
      for await (const chunk of createReadStream(path, { signal })) file.update(chunk as Buffer);
    } catch (error) {
      throw unreadable(path, error);
    }
    hash.update(file.digest());
  }
  return { kernel: { path: kernelPath, kind, release, hash: hash.digest('hex') }, initramfsPath };
}

/**
 * The release a kernel names itself, e.g. 6.1.0-43-cloud-amd64. A bzImage says where (Documentation/arch/x86/boot.rst:
 * "HdrS" at 0x202, kernel_version at 0x20e); a vmlinux has its banner among its read-only data.
 */
export async function readKernelRelease(path: string): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
  await using kernel = file;
  const stat = await kernel.stat();
  if (!stat.isFile()) throw notAKernel(path, 'not a regular file');
  const head = Buffer.alloc(0x210);
  const { bytesRead } = await kernel.read(head, 0, head.length, 0);
  if (bytesRead < head.length) throw notAKernel(path, 'too short');
  if (head.toString('latin1', 0x202, 0x206) === 'HdrS') {
    const text = Buffer.alloc(256);
    await kernel.read(text, 0, text.length, head.readUInt16LE(0x20e) + 0x200);
    return releaseIn(text.toString('latin1'), /^([\w.+~-]{1,64})[ \0]/, path);
  }
  if (head.readUInt32BE(0) !== 0x7f454c46) throw notAKernel(path, 'neither a bzImage nor an ELF vmlinux');
  return await readBanner(kernel, path);
}

async function readBanner(kernel: FileHandle, path: string): Promise<string> {
  const banner = /Linux version ([\w.+~-]{1,64}) /;
  const chunk = Buffer.alloc(1 << 20);
  let tail = '';
  for (let position = 0; ; position += chunk.length) {
    const { bytesRead } = await kernel.read(chunk, 0, chunk.length, position);
    const text = tail + chunk.toString('latin1', 0, bytesRead);
    const release = banner.exec(text)?.[1];
    if (release !== undefined) return release;
    if (bytesRead < chunk.length) throw notAKernel(path, 'it does not name its version');
    tail = text.slice(-128);
  }
}

function releaseIn(text: string, pattern: RegExp, path: string): string {
  const release = pattern.exec(text)?.[1];
  if (release === undefined) throw notAKernel(path, 'it does not name its version');
  return release;
}

function notAKernel(path: string, why: string): EngineError {
  return new EngineError('invalid_argument', `${path} is not a Linux kernel for this machine: ${why}`);
}

/** Docker's client takes "no such file" for a command that is not in the image, and exits with 127. */
function unreadable(path: string, error: unknown): EngineError {
  if (isErrno(error, 'ENOENT', 'ENOTDIR'))
    return new EngineError('not_found', `there is no kernel or initramfs ${path}`, { cause: error });
  return new EngineError('not_found', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
}
