/** What machines of the pool rehearse with: a layer with Debian's static busybox, made by our own image code. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { convertLayer } from '../image/layer/convert-layer.ts';
import { defaultLayerLimits } from '../image/layer/layer-limits.ts';
import type { Rehearsal } from '../runtime/microvm/rehearse.ts';
import { SparseDiskStore } from '../storage/disks/disk-store.ts';
import { isErrno } from '../system/errno.ts';

const program = '/bin/busybox';
const diskBytes = 64 << 20;

export interface RehearsalDirectories {
  /** Keeps the layer; made when missing. */
  readonly layers: string;
  /** Holds disks for a moment, on the file system where they are wanted. */
  readonly disks: string;
}

/** Undefined: there is no static busybox. */
export async function prepareRehearsal(
  directories: RehearsalDirectories,
  signal: AbortSignal,
): Promise<Rehearsal | undefined> {
  let busybox: Buffer;
  try {
    busybox = await readFile(program, { signal });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (!isStatic(busybox)) return undefined;
  const { layers } = directories;
  await mkdir(layers, { recursive: true });
  const layerPath = join(layers, `${createHash('sha256').update(busybox).digest('hex').slice(0, 16)}.erofs`);
  if (!existsSync(layerPath)) await makeLayer(busybox, layers, layerPath, signal);
  const disks = new SparseDiskStore({ directory: directories.disks });
  return {
    layerPath,
    args: [program, 'cat'],
    execArgs: [program, 'echo', 'ready'],
    makeDisk: async (path, disksSignal) => {
      await rename(
        await disks.ensure(createHash('sha256').update(path).digest('hex'), diskBytes, disksSignal),
        path,
      );
    },
  };
}

async function makeLayer(
  busybox: Buffer,
  layers: string,
  layerPath: string,
  signal: AbortSignal,
): Promise<void> {
  for (const old of await readdir(layers)) await rm(join(layers, old), { force: true });
  const tar = pack();
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']) tar.entry({ name, type: 'directory' });
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, busybox);
  tar.finalize();
  const unfinished = join(layers, 'unfinished');
  const bytes = tar as AsyncIterable<Uint8Array>;
  await convertLayer(
    { what: 'the rehearsal layer', bytes, compression: 'any' },
    unfinished,
    defaultLayerLimits,
    signal,
  );
  await rename(unfinished, layerPath);
}

/** An ELF program without a PT_INTERP header asks for no dynamic linker. */
function isStatic(elf: Buffer): boolean {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2) return false;
  const offset = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  const interpreter = 3;
  for (let n = 0; n < count; n++) {
    const header = offset + n * size;
    if (header + 4 > elf.length) return false;
    if (elf.readUInt32LE(header) === interpreter) return false;
  }
  return true;
}
