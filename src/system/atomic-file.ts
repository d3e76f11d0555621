/**
 * Files that are either whole or not there: written beside their place, flushed to the disk, then renamed.
 * A crash at any moment leaves the old file or the new one, and at worst a `.name.<pid>.<random>.tmp` beside it.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface AtomicFileOptions {
  /** Permission bits of the new file; 0644 by default, whatever the umask. */
  readonly mode?: number;
}

/** Replaces `path` by `content`. Throws what the file system throws; the old file is then untouched. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  options: AtomicFileOptions = {},
): Promise<void> {
  await fillFileAtomically(path, (file) => file.writeFile(content), options);
}

/** As `writeFileAtomically`, for content that is made piece by piece: `fill` writes it to the open file. */
export async function fillFileAtomically<T>(
  path: string,
  fill: (file: FileHandle) => Promise<T>,
  options: AtomicFileOptions = {},
): Promise<T> {
  const temporary = temporaryNameFor(path);
  let filled: T;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    filled = await fill(file);
    await file.chmod(options.mode ?? 0o644);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await moveIntoPlace(temporary, path);
  return filled;
}

/** Renames a finished file or directory to its final name and flushes the directory that now names it. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    await rm(from, { force: true, recursive: true });
    throw error;
  }
  await syncDirectory(dirname(to));
}

/** A rename is safe on the disk only when the directory is. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}

/** A name beside `path` that nobody else uses and `removeTemporaryFiles` recognises. */
export function temporaryNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Removes what a crash left half-written in `directory`. Only for a directory that no other process writes to. */
export async function removeTemporaryFiles(directory: string): Promise<readonly string[]> {
  const left = (await readdir(directory)).filter((name) => /^\..+\.\d+\.[0-9a-f]{12}\.tmp$/.test(name));
  for (const name of left) await rm(join(directory, name), { force: true, recursive: true });
  return left;
}
