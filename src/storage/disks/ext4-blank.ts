/**
 * A blank ext4 file system as the few blocks that are not zero. mke2fs makes it once per size; every container's disk
 * is then a sparse file into which these blocks are written, without another process.
 */
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { EngineError } from '../../errors/engine-error.ts';
import { runCommand } from '../../system/run-command.ts';
import { temporaryNameFor } from '../../system/atomic-file.ts';
import { blockBytes, blocksInUse, readBlocks } from './ext4-layout.ts';
import type { BlockRange } from './ext4-layout.ts';

const fullJournalMiB = 16;
const smallJournalMiB = 4;
const smallBytes = 256 << 20;
/** Read at once while looking for blocks that are not zero. */
const scanBlocks = 256;

export interface Extent {
  readonly offset: number;
  readonly data: Buffer;
}

export interface Blank {
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
}

/**
 * What makes the mount in the guest cheap: no checksums but uninit_bg's small ones, bitmaps only where something is,
 * inode tables known to be zero so that no kernel thread has to write them, one superblock. The journal stays: a guest
 * that is killed leaves a disk that the next one can mount.
 */
function formatArguments(path: string, sizeBytes: number): readonly string[] {
  const journal = sizeBytes >= smallBytes ? fullJournalMiB : smallJournalMiB;
  const features = '^resize_inode,^metadata_csum,^64bit,^orphan_file,uninit_bg,sparse_super2';
  const extended = 'assume_storage_prezeroed=1,lazy_journal_init=1,num_backup_sb=0,root_owner=0:0,nodiscard';
  const basics = ['-q', '-F', '-t', 'ext4', '-b', String(blockBytes), '-I', '256', '-m', '0'];
  return [...basics, '-J', `size=${journal}`, '-O', features, '-E', extended, path];
}

/** Formats a file of `sizeBytes` in `directory`, takes its blocks, removes it. */
export async function makeBlank(directory: string, sizeBytes: number, signal: AbortSignal): Promise<Blank> {
  const path = temporaryNameFor(`${directory}/blank`);
  try {
    await using file = await open(path, 'wx+', 0o600);
    await file.truncate(sizeBytes);
    await runCommand('mke2fs', formatArguments(path, sizeBytes), { signal });
    return { sizeBytes, extents: await nonZeroExtents(file, await blocksInUse(file)) };
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') {
      throw new EngineError(
        'failed_precondition',
        'mke2fs is missing, which makes the disks of containers: install the package e2fsprogs',
        { cause: error },
      );
    }
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

async function nonZeroExtents(file: FileHandle, ranges: readonly BlockRange[]): Promise<readonly Extent[]> {
  const zero = Buffer.alloc(blockBytes);
  const blocks = new Map<number, Buffer>();
  for (const { first, count } of ranges) {
    for (let done = 0; done < count; done += scanBlocks) {
      const data = await readBlocks(file, first + done, Math.min(scanBlocks, count - done));
      for (let at = 0; at < data.length; at += blockBytes) {
        const block = data.subarray(at, at + blockBytes);
        if (!block.equals(zero)) blocks.set(first + done + at / blockBytes, Buffer.from(block));
      }
    }
  }
  return joined([...blocks].sort(([a], [b]) => a - b));
}

function joined(blocks: readonly (readonly [number, Buffer])[]): readonly Extent[] {
  const runs: { first: number; parts: Buffer[] }[] = [];
  for (const [block, data] of blocks) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.parts.length === block) last.parts.push(data);
    else runs.push({ first: block, parts: [data] });
  }
  return runs.map(({ first, parts }) => ({ offset: first * blockBytes, data: Buffer.concat(parts) }));
}
