/**
 * Writes an EROFS image in one pass: content as it comes, then shared attributes, inodes and directories, and the
 * superblock last, so that a file that was not finished is not an image. The same tree gives the same bytes.
 */
import { setImmediate } from 'node:timers/promises';
import type { FileHandle } from 'node:fs/promises';
import { BlockOutput } from './block-output.ts';
import { encodeDirectoryBlock, planDirectory, type Directory } from './directory.ts';
import {
  blockBits,
  blockBytes,
  featureMtime,
  formatInline,
  formatPlain,
  inodeBytes,
  magic,
  slotBytes,
  superblockOffset,
  typeDirectory,
} from './format.ts';
import { Inode } from './inode.ts';
import { MetadataLayout } from './metadata-layout.ts';
import { TailArena } from './tail-arena.ts';
import { encodeXattr, encodeXattrArea, xattrAreaMaxBytes, xattrBytes, XattrTable } from './xattr.ts';

/** Longer files keep their tail with their blocks: little space is lost, and they are read in one go. */
const inlineFileMaxBytes = 32 * 1024;
/** After so many inodes the rest of the daemon gets a turn. */
const inodesPerTurn = 5000;
const inodesPerWait = 256;

export class ErofsWriter {
  readonly root = new Inode(typeDirectory | 0o755);
  readonly xattrs = new XattrTable();
  readonly #file: FileHandle;
  readonly #output: BlockOutput;
  readonly #arena: TailArena;
  /** The file whose content is being written. */
  #current: Inode | undefined;
  #bodyLeft = 0;
  #tailFilled = 0;

  /** `what` names the image in errors; `tailBudgetBytes` is the memory that inline content may take. */
  constructor(file: FileHandle, what: string, tailBudgetBytes: number) {
    this.#file = file;
    this.#output = new BlockOutput(file, what);
    this.#arena = new TailArena(tailBudgetBytes);
    this.#output.zeros(blockBytes); // the superblock's
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#output.position;
  }

  /** Content of `inode` follows, exactly `inode.size` bytes of it. Its attributes must be set. */
  beginFile(inode: Inode): void {
    const tail = inode.size % blockBytes;
    const isInline =
      tail > 0 &&
      inode.size <= inlineFileMaxBytes &&
      inodeBytes + xattrAreaMaxBytes(inode.xattrs) + tail <= blockBytes &&
      this.#arena.hasRoom(tail);
    this.#current = inode;
    this.#bodyLeft = isInline ? inode.size - tail : inode.size;
    this.#tailFilled = 0;
    if (this.#bodyLeft > 0) inode.block = this.#output.position / blockBytes;
    if (!isInline) return;
    inode.tailBytes = tail;
    inode.tailAt = this.#arena.reserve(tail);
  }

  append(chunk: Buffer): void {
    const body = Math.min(this.#bodyLeft, chunk.length);
    if (body > 0) {
      this.#output.append(chunk, 0, body);
      this.#bodyLeft -= body;
    }
    if (body === chunk.length || this.#current === undefined) return;
    this.#arena.fill(this.#current.tailAt + this.#tailFilled, chunk, body, chunk.length);
    this.#tailFilled += chunk.length - body;
  }

  zeros(count: number): void {
    const body = Math.min(this.#bodyLeft, count);
    if (body > 0) this.#output.zeros(body);
    this.#bodyLeft -= body;
    this.#tailFilled += count - body; // the arena is zeroed already
  }

  endFile(): void {
    this.#output.alignToBlock();
    this.#current = undefined;
  }

  drained(): Promise<void> {
    return this.#output.drained();
  }

  /** Waits for what is being written; for whoever gives up and closes the file. */
  async abandon(): Promise<void> {
    await this.#output.settle();
  }

  /** Writes everything but the content, and returns the image's length in bytes. The file is not flushed to the disk. */
  async finish(): Promise<number> {
    const { inodes, directories } = await this.#walk();
    const sharedBlock = this.#writeSharedXattrs();
    const metadataStart = this.#output.position;
    const layout = new MetadataLayout();
    const planned = new Map<Inode, Directory>();
    for (const directory of directories) planned.set(directory.inode, directory);
    const separate = await this.#place(inodes, layout, metadataStart);
    await this.#writeInodes(inodes, planned, metadataStart, layout.bytes);
    await this.#writeSeparate(separate, planned);
    await this.#output.finish();
    const bytes = this.#output.position;
    await this.#output.writeAt(
      encodeSuperblock({
        rootNid: nidOf(this.root),
        inodes: inodes.length,
        blocks: bytes / blockBytes,
        metadataBlock: metadataStart / blockBytes,
        xattrBlock: sharedBlock,
      }),
      0,
    );
    await this.#file.datasync();
    return bytes;
  }

  /** All inodes, a directory's entries together, directories before what is below them; attributes are counted. */
  async #walk(): Promise<{ inodes: Inode[]; directories: Directory[] }> {
    const inodes: Inode[] = [];
    const directories: Directory[] = [];
    const visit = (inode: Inode) => {
      if (inode.number !== 0) return;
      inodes.push(inode);
      inode.number = inodes.length;
      for (const xattr of inode.xattrs ?? []) xattr.uses++;
    };
    visit(this.root);
    const pending = [planDirectory(this.root, this.root)];
    let sinceTurn = 0;
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      directories.push(directory);
      const below: Directory[] = [];
      for (const name of directory.names) {
        const child = name === '.' || name === '..' ? undefined : directory.inode.children?.get(name);
        if (child === undefined) continue;
        visit(child);
        if (child.isDirectory) below.push(planDirectory(child, directory.inode));
      }
      for (const next of below.reverse()) pending.push(next);
      sinceTurn += directory.names.length;
      if (sinceTurn > inodesPerTurn) {
        sinceTurn = 0;
        await setImmediate();
      }
    }
    return { inodes, directories };
  }

  #writeSharedXattrs(): number {
    const start = this.#output.position;
    let at = 0;
    for (const xattr of this.xattrs) {
      if (xattr.uses < 2) continue;
      const bytes = xattrBytes(xattr);
      const encoded = Buffer.alloc(bytes);
      encodeXattr(xattr, encoded, 0);
      this.#output.append(encoded);
      xattr.sharedId = at / 4;
      at += bytes;
    }
    this.#output.alignToBlock();
    return at === 0 ? 0 : start / blockBytes;
  }

  /** Returns the inodes with content outside of the metadata area that is not written yet, in the order of their blocks. */
  async #place(inodes: readonly Inode[], layout: MetadataLayout, metadataStart: number): Promise<Inode[]> {
    const separate: Inode[] = [];
    for (const [i, inode] of inodes.entries()) {
      const head = inode.headBytes;
      if (inode.isDirectory || inode.isSymlink) {
        const tail = inode.size % blockBytes;
        const isInline = head + tail <= blockBytes;
        inode.tailBytes = isInline ? tail : 0;
        if (inode.size > inode.tailBytes) separate.push(inode);
      }
      inode.position = layout.place(head + inode.tailBytes);
      if (i % inodesPerTurn === 0) await setImmediate();
    }
    let block = (metadataStart + layout.bytes) / blockBytes;
    for (const inode of separate) {
      inode.block = block;
      block += Math.ceil((inode.size - inode.tailBytes) / blockBytes);
    }
    return separate;
  }

  async #writeInodes(
    inodes: readonly Inode[],
    planned: ReadonlyMap<Inode, Directory>,
    start: number,
    areaBytes: number,
  ): Promise<void> {
    const inOrder = inodes.toSorted((a, b) => a.position - b.position);
    for (const [i, inode] of inOrder.entries()) {
      this.#output.zeros(start + inode.position - this.#output.position);
      this.#writeInode(inode, planned.get(inode));
      if (i % inodesPerTurn === 0) await setImmediate();
      if (i % inodesPerWait === 0) await this.#output.drained();
    }
    this.#output.zeros(start + areaBytes - this.#output.position);
  }

  #writeInode(inode: Inode, directory: Directory | undefined): void {
    const head = inode.headBytes;
    const { buffer, at } = this.#output.reserve(head + inode.tailBytes);
    encodeInode(inode, buffer, at);
    if (inode.xattrs !== undefined && inode.xattrs.length > 0)
      encodeXattrArea(inode.xattrs, buffer, at + inodeBytes);
    if (inode.tailBytes === 0) return;
    if (directory !== undefined)
      encodeDirectoryBlock(directory, directory.blockStarts.length - 1, buffer, at + head, nidOf);
    else if (inode.isSymlink) buffer.write(inode.target, at + head, 'latin1');
    else this.#arena.copyTo(inode.tailAt, inode.tailBytes, buffer, at + head);
  }

  async #writeSeparate(separate: readonly Inode[], planned: ReadonlyMap<Inode, Directory>): Promise<void> {
    for (const inode of separate) {
      const directory = planned.get(inode);
      const blocks = Math.ceil((inode.size - inode.tailBytes) / blockBytes);
      for (let index = 0; index < blocks; index++) {
        const { buffer, at } = this.#output.reserve(blockBytes);
        if (directory === undefined) buffer.write(inode.target, at, 'latin1');
        else encodeDirectoryBlock(directory, index, buffer, at, nidOf);
      }
      await this.#output.drained();
    }
  }
}

function nidOf(inode: Inode): number {
  return inode.position / slotBytes;
}

function encodeInode(inode: Inode, out: Buffer, at: number): void {
  const xattrWords = inode.headBytes - inodeBytes;
  out.writeUInt16LE(inode.tailBytes > 0 ? formatInline : formatPlain, at);
  // 0, or 1 and a word more for every four bytes behind the twelve of the header.
  out.writeUInt16LE(xattrWords === 0 ? 0 : 1 + (xattrWords - 12) / 4, at + 2);
  out.writeUInt16LE(inode.mode, at + 4);
  writeUInt64(out, inode.size, at + 8);
  out.writeUInt32LE(inode.device === 0 ? inode.block : inode.device, at + 16);
  out.writeUInt32LE(inode.number, at + 20);
  out.writeUInt32LE(inode.uid, at + 24);
  out.writeUInt32LE(inode.gid, at + 28);
  writeUInt64(out, inode.mtimeSeconds, at + 32);
  out.writeUInt32LE(inode.mtimeNanoseconds, at + 40);
  out.writeUInt32LE(inode.nlink, at + 44);
}

interface Superblock {
  readonly rootNid: number;
  readonly inodes: number;
  readonly blocks: number;
  readonly metadataBlock: number;
  readonly xattrBlock: number;
}

/** Block 0. The build time and the UUID stay zero: the same layer has the same bytes wherever it is made. */
function encodeSuperblock(superblock: Superblock): Buffer {
  const block = Buffer.alloc(blockBytes);
  const out = block.subarray(superblockOffset);
  out.writeUInt32LE(magic, 0);
  out.writeUInt32LE(featureMtime, 8);
  out[12] = blockBits;
  out.writeUInt16LE(superblock.rootNid, 14);
  writeUInt64(out, superblock.inodes, 16);
  out.writeUInt32LE(superblock.blocks, 36);
  out.writeUInt32LE(superblock.metadataBlock, 40);
  out.writeUInt32LE(superblock.xattrBlock, 44);
  return block;
}

/** Also negative numbers, as two's complement. */
function writeUInt64(out: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  out.writeUInt32LE(value - high * 0x1_0000_0000, at);
  out.writeInt32LE(high, at + 4);
}
