/** Containers' writable disks: sparse ext4 files in one directory, named after their containers. */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, messageOf } from '../../errors/engine-error.ts';
import type { DiskStore } from '../../engine/ports/disk-store.ts';
import { temporaryNameFor } from '../../system/atomic-file.ts';
import { isErrno } from '../../system/errno.ts';
import { makeBlank } from './ext4-blank.ts';
import type { Blank } from './ext4-blank.ts';

export const defaultDiskBytes = 10 * 2 ** 30;
const leastBytes = 16 << 20;
const mostBytes = 2 ** 43; // 8 TiB: what 32-bit block numbers allow, with a margin
const granuleBytes = 1 << 20;
/** Blanks of other sizes than the default are few; each takes some 100 KB. */
const keptBlanks = 16;

export interface DiskStoreOptions {
  /** Made when it is missing. Nothing else may be in it. */
  readonly directory: string;
  /** 10 GiB by default: what is not used costs nothing on the host. */
  readonly defaultBytes?: number;
}

export class SparseDiskStore implements DiskStore {
  readonly #directory: string;
  readonly #defaultBytes: number;
  readonly #blanks = new Map<number, Promise<Blank>>();

  constructor(options: DiskStoreOptions) {
    this.#directory = options.directory;
    this.#defaultBytes = options.defaultBytes ?? defaultDiskBytes;
    this.checkSize(this.#defaultBytes);
  }

  /** Makes the directory, and what the first disk would have to wait for. */
  async prepare(signal: AbortSignal): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
    await this.#blank(this.#defaultBytes, signal);
  }

  checkSize(sizeBytes: number): void {
    if (Number.isSafeInteger(sizeBytes) && sizeBytes >= leastBytes && sizeBytes <= mostBytes) return;
    throw new EngineError(
      'invalid_argument',
      `the writable layer cannot have ${sizeBytes} bytes: choose from ${leastBytes} (16 MiB) to ${mostBytes} (8 TiB)`,
    );
  }

  async ensure(containerId: string, sizeBytes: number | undefined, signal: AbortSignal): Promise<string> {
    const path = this.#pathOf(containerId);
    if (await exists(path)) return path;
    const wanted = sizeBytes ?? this.#defaultBytes;
    this.checkSize(wanted);
    const blank = await this.#blank(Math.ceil(wanted / granuleBytes) * granuleBytes, signal);
    const temporary = temporaryNameFor(path);
    try {
      await write(temporary, blank);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw diskFailure(containerId, error);
    }
    return path;
  }

  async usage(containerId: string): Promise<number> {
    try {
      return (await stat(this.#pathOf(containerId))).blocks * 512;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 0;
      throw error;
    }
  }

  async remove(containerId: string): Promise<void> {
    await rm(this.#pathOf(containerId), { force: true });
  }

  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
    for (const name of await readdir(this.#directory)) {
      if (!known.has(name.replace(/\.ext4$/, ''))) await rm(join(this.#directory, name), { force: true });
    }
  }

  #pathOf(containerId: string): string {
    return join(this.#directory, `${containerId}.ext4`);
  }

  /** Shared by all who ask for it at the same time, so it is not given up when one of them is. */
  #blank(sizeBytes: number, signal: AbortSignal): Promise<Blank> {
    signal.throwIfAborted();
    const known = this.#blanks.get(sizeBytes);
    if (known !== undefined) return known;
    const made = mkdir(this.#directory, { recursive: true, mode: 0o711 }).then(() =>
      makeBlank(this.#directory, sizeBytes, AbortSignal.timeout(60_000)),
    );
    this.#blanks.set(sizeBytes, made);
    made.catch(() => this.#blanks.delete(sizeBytes));
    for (const size of this.#blanks.keys()) {
      if (this.#blanks.size <= keptBlanks) break;
      if (size !== this.#defaultBytes && size !== sizeBytes) this.#blanks.delete(size);
    }
    return made;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

async function write(path: string, blank: Blank): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(blank.sizeBytes);
  for (const { offset, data } of blank.extents) {
    for (let done = 0; done < data.length;)
      done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  }
}

function diskFailure(containerId: string, error: unknown): EngineError {
  const full = isErrno(error, 'ENOSPC', 'EDQUOT');
  const short = containerId.slice(0, 12);
  return new EngineError(
    full ? 'resource_exhausted' : 'internal',
    full
      ? `cannot make the writable layer of container ${short}: the disk of the data directory is full; make room, e.g. with "dvm container prune"`
      : `cannot make the writable layer of container ${short}: ${messageOf(error)}`,
    { cause: error },
  );
}
