/** The initramfs for a kernel: the agent, and behind it the kernel's modules where it has some. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../../system/atomic-file.ts';
import { moduleArchive } from './kernel-modules.ts';

/**
 * Answers `basePath` itself for a kernel without modules; else a file in `cacheDirectory`, which is kept until the agent
 * or the modules change. Modules are looked for beside the kernel (modules/RELEASE) and in /lib/modules.
 */
export async function initramfsFor(
  kernelPath: string,
  release: string,
  basePath: string,
  cacheDirectory: string,
  signal: AbortSignal,
): Promise<string> {
  const modules = findModulesDirectory(kernelPath, release);
  if (modules === undefined) return basePath;
  const base = await readFile(basePath);
  const { mtimeMs, size } = await stat(join(modules, 'modules.builtin'));
  const key = createHash('sha256')
    .update(base)
    .update(`\0${modules}\0${mtimeMs}\0${size}`)
    .digest('hex')
    .slice(0, 16);
  const path = join(cacheDirectory, `${release}-${key}.cpio`);
  if (existsSync(path)) return path;
  await mkdir(cacheDirectory, { recursive: true, mode: 0o711 });
  await writeFileAtomically(path, Buffer.concat([base, await moduleArchive(modules, signal)]));
  await removeOlder(cacheDirectory, release, path);
  return path;
}

function findModulesDirectory(kernelPath: string, release: string): string | undefined {
  const candidates = [join(dirname(kernelPath), 'modules', release), join('/lib/modules', release)];
  return candidates.find((path) => existsSync(join(path, 'modules.builtin')));
}

async function removeOlder(directory: string, release: string, kept: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const isOlder =
      name.startsWith(`${release}-`) && /^[0-9a-f]{16}\.cpio$/.test(name.slice(release.length + 1));
    if (isOlder && path !== kept) await rm(path, { force: true });
  }
}
