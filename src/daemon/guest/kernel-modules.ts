/**
 * The few modules that a modular kernel needs in the guest, as an archive that is put behind the initramfs:
 * /modules/NAME.ko and, in /modules/order, the order in which the agent loads them.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { EngineError } from '../../errors/engine-error.ts';
import { isErrno } from '../../system/errno.ts';
import { runCommand } from '../../system/run-command.ts';
import { cpioArchive, directory, file } from './cpio.ts';
import type { ArchiveEntry } from './cpio.ts';

/** Nothing works without these, built in or as modules. */
const needed = [
  'virtio_mmio',
  'virtio_console',
  'virtio_scsi',
  'sd_mod',
  'erofs',
  'ext4',
  'overlay',
] as const;
/** Taken along where the kernel has them. */
const wanted = [
  'virtio_net',
  'virtio_rng',
  'virtio_balloon',
  'virtio_blk',
  'crc32c_intel',
  'crc32c_generic',
  'tun',
  'fuse',
  'veth',
] as const;

const maxModuleBytes = 64 << 20;

/** `modulesDirectory` is like /lib/modules/6.12.0-amd64. Throws `invalid_argument` when a needed module is missing. */
export async function moduleArchive(modulesDirectory: string, signal: AbortSignal): Promise<Buffer> {
  const files = await findModules(modulesDirectory);
  const builtIn = await readBuiltIn(modulesDirectory);
  const loaded = new Map<string, Buffer>();
  const add = async (name: string, required: boolean): Promise<void> => {
    if (loaded.has(name) || builtIn.has(name)) return;
    const path = files.get(name);
    if (path === undefined) {
      if (required)
        throw new EngineError(
          'invalid_argument',
          `the kernel in ${modulesDirectory} has no module ${name}, which the guest needs`,
        );
      return;
    }
    const bytes = await readModule(path, signal);
    for (const dependency of dependenciesOf(bytes)) await add(dependency, true);
    loaded.set(name, bytes);
  };
  for (const name of needed) await add(name, true);
  for (const name of wanted) await add(name, false);
  const order = [...loaded.keys()].map((name) => `${name}.ko\n`).join('');
  const entries: readonly ArchiveEntry[] = [
    directory('modules'),
    file('modules/order', Buffer.from(order)),
    ...[...loaded].map(([name, bytes]) => file(`modules/${name}.ko`, bytes)),
  ];
  return cpioArchive(entries);
}

/** Module names have _ where their files' may have -. */
function moduleName(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return base.replace(/\.ko(?:\..*)?$/, '').replaceAll('-', '_');
}

async function findModules(modulesDirectory: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const path of await readdir(modulesDirectory, { recursive: true }))
    if (/\.ko(?:\.(?:xz|zst|gz))?$/.test(path)) found.set(moduleName(path), join(modulesDirectory, path));
  return found;
}

async function readBuiltIn(modulesDirectory: string): Promise<ReadonlySet<string>> {
  try {
    const text = await readFile(join(modulesDirectory, 'modules.builtin'), 'utf8');
    return new Set(
      text
        .split('\n')
        .filter((line) => line !== '')
        .map(moduleName),
    );
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new EngineError(
      'invalid_argument',
      `${modulesDirectory} has no modules.builtin: it is not a kernel's modules directory`,
    );
  }
}

async function readModule(path: string, signal: AbortSignal): Promise<Buffer> {
  const bytes = await readFile(path, { signal });
  if (path.endsWith('.gz')) return await promisify(gunzip)(bytes, { maxOutputLength: maxModuleBytes });
  if (path.endsWith('.zst'))
    return await promisify(zstdDecompress)(bytes, { maxOutputLength: maxModuleBytes });
  if (!path.endsWith('.xz')) return bytes;
  return (await runCommand('xz', ['-dc'], { input: bytes, signal, maxOutputBytes: maxModuleBytes })).stdout;
}

/** A module's .modinfo section has "depends=a,b" between NUL bytes. */
function dependenciesOf(module: Buffer): readonly string[] {
  const key = Buffer.from('\0depends=');
  const start = module.indexOf(key);
  if (start < 0) return [];
  const end = module.indexOf(0, start + key.length);
  return module
    .toString('latin1', start + key.length, end < 0 ? start + key.length : end)
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replaceAll('-', '_'));
}
