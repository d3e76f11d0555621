/** Turns a layer's tar members into an EROFS image: whiteouts, links, attributes, replaced members, and a cap on each. */
import { EngineError } from '../../errors/engine-error.ts';
import type { ErofsWriter } from '../erofs/erofs-writer.ts';
import {
  encodeDevice,
  typeBlock,
  typeChar,
  typeDirectory,
  typeFifo,
  typeFile,
  typeSymlink,
} from '../erofs/format.ts';
import { Inode } from '../erofs/inode.ts';
import { splitXattrName, type Xattr } from '../erofs/xattr.ts';
import { printable, type TarEntry, type TarSink } from '../tar/tar-entry.ts';
import type { LayerLimits } from './layer-limits.ts';
import { splitLayerPath } from './layer-path.ts';
import { LayerTree } from './layer-tree.ts';

const whiteoutPrefix = '.wh.';
const whiteoutMetaPrefix = '.wh..wh.';
const opaqueName = '.wh..wh..opq';
const symlinkMaxBytes = 4095;
const xattrsPerEntryMax = 255;
const idMax = 0xffff_ffff;

export class LayerBuilder implements TarSink {
  readonly #writer: ErofsWriter;
  readonly #limits: LayerLimits;
  readonly #tree: LayerTree;
  #entries = 0;
  #contentBytes = 0;
  #metadataBytes = 0;
  #writing = false;

  constructor(writer: ErofsWriter, limits: LayerLimits) {
    this.#writer = writer;
    this.#limits = limits;
    this.#tree = new LayerTree(writer.root, limits.maxDepth, () => this.#count());
  }

  entry(entry: TarEntry): void {
    this.#count();
    this.#writing = false;
    const parts = splitLayerPath(entry.name, this.#limits.maxDepth);
    const name = parts.at(-1);
    if (name === undefined) {
      this.#root(entry);
      return;
    }
    this.#spendMetadata(name.length + 64, entry);
    if (name.startsWith(whiteoutPrefix)) {
      this.#whiteout(parts, name, entry);
      return;
    }
    const parent = this.#tree.parentOf(parts, entry.name);
    if (entry.type === 'hardlink') this.#hardlink(parent, name, entry);
    else if (entry.type === 'directory') this.#directory(parent, name, entry);
    else this.#node(parent, name, entry);
  }

  data(chunk: Buffer): void {
    if (this.#writing) this.#writer.append(chunk);
  }

  zeros(count: number): void {
    if (this.#writing) this.#writer.zeros(count);
  }

  end(): void {
    if (this.#writing) this.#writer.endFile();
    this.#writing = false;
  }

  /** The last member was read: what could not be known before. */
  finish(): void {
    const mark = this.#writer.xattrs.intern(4, 'overlay.opaque', Buffer.from('y'));
    for (const directory of this.#tree.opaque) directory.xattrs = [...(directory.xattrs ?? []), mark];
  }

  #count(): void {
    this.#entries++;
    if (this.#entries > this.#limits.maxEntries) {
      throw new EngineError(
        'resource_exhausted',
        `layer has more than ${this.#limits.maxEntries} files, the limit for one layer`,
      );
    }
  }

  #spendMetadata(bytes: number, entry: TarEntry): void {
    this.#metadataBytes += bytes;
    if (this.#metadataBytes > this.#limits.maxMetadataBytes) {
      throw new EngineError(
        'resource_exhausted',
        `layer has more than ${this.#limits.maxMetadataBytes} bytes of names and attributes at "${printable(entry.name)}"`,
      );
    }
  }

  #root(entry: TarEntry): void {
    if (entry.type !== 'directory')
      throw new EngineError(
        'invalid_argument',
        `archive entry "${printable(entry.name)}" would replace the root by a ${entry.type}`,
      );
    this.#applyAttributes(this.#tree.root, typeDirectory, entry);
  }

  #whiteout(parts: readonly string[], name: string, entry: TarEntry): void {
    const parent = this.#tree.parentOf(parts, entry.name);
    if (name === opaqueName) this.#tree.opaque.add(parent);
    // The others are aufs's own bookkeeping, which Docker skips as well.
    else if (!name.startsWith(whiteoutMetaPrefix)) {
      const hidden = name.slice(whiteoutPrefix.length);
      if (hidden === '' || hidden === '.' || hidden === '..')
        throw new EngineError(
          'invalid_argument',
          `archive entry "${printable(entry.name)}" is a whiteout of nothing`,
        );
      this.#tree.whiteout(parent, hidden);
    }
  }

  #hardlink(parent: Inode, name: string, entry: TarEntry): void {
    const link = `hard link "${printable(entry.name)}" to "${printable(entry.linkName)}"`;
    const target = this.#tree.find(splitLayerPath(entry.linkName, this.#limits.maxDepth, link), entry.name);
    if (target === undefined)
      throw new EngineError('invalid_argument', `archive has a ${link}, which is not in this layer`);
    if (target.isDirectory)
      throw new EngineError('invalid_argument', `archive has a ${link}, which is a directory`);
    if (parent.children?.get(name) === target) return;
    target.nlink++;
    this.#tree.place(parent, name, target);
  }

  #directory(parent: Inode, name: string, entry: TarEntry): void {
    const existing = parent.children?.get(name);
    const inode = existing?.isDirectory === true ? existing : new Inode(typeDirectory);
    this.#applyAttributes(inode, typeDirectory, entry);
    this.#tree.place(parent, name, inode);
  }

  #node(parent: Inode, name: string, entry: TarEntry): void {
    const inode = new Inode(nodeTypes[entry.type]);
    this.#applyAttributes(inode, nodeTypes[entry.type], entry);
    if (entry.type === 'symlink') this.#symlink(inode, entry);
    else if (entry.type === 'char' || entry.type === 'block') inode.device = deviceOf(entry);
    this.#tree.place(parent, name, inode);
    if (entry.type !== 'file') return;
    this.#contentBytes += entry.size;
    if (this.#contentBytes > this.#limits.maxBytes) {
      throw new EngineError(
        'resource_exhausted',
        `layer has more than ${this.#limits.maxBytes} bytes of files at "${printable(entry.name)}"`,
      );
    }
    inode.size = entry.size;
    this.#writing = true;
    this.#writer.beginFile(inode);
  }

  #symlink(inode: Inode, entry: TarEntry): void {
    const target = entry.linkName;
    if (target === '' || target.length > symlinkMaxBytes || target.includes('\0')) {
      throw new EngineError(
        'invalid_argument',
        `symbolic link "${printable(entry.name)}" has a target that is empty, longer than ${symlinkMaxBytes} bytes, or has a NUL byte`,
      );
    }
    this.#spendMetadata(target.length, entry);
    inode.target = target;
    inode.size = target.length;
  }

  #applyAttributes(inode: Inode, type: number, entry: TarEntry): void {
    if (entry.uid < 0 || entry.uid > idMax || entry.gid < 0 || entry.gid > idMax) {
      throw new EngineError(
        'invalid_argument',
        `archive entry "${printable(entry.name)}" has an owner that Linux cannot have: ${entry.uid}:${entry.gid}`,
      );
    }
    inode.mode = type | entry.mode;
    inode.uid = entry.uid;
    inode.gid = entry.gid;
    inode.mtimeSeconds = entry.mtimeSeconds;
    inode.mtimeNanoseconds = entry.mtimeNanoseconds;
    inode.xattrs = entry.xattrs === undefined ? undefined : this.#xattrs(entry, entry.xattrs);
  }

  #xattrs(entry: TarEntry, given: ReadonlyMap<string, Buffer>): readonly Xattr[] | undefined {
    const set: Xattr[] = [];
    let bytes = 0;
    for (const [fullName, value] of given) {
      // An image must not speak to overlayfs: that is how layers would hide or redirect each other's files.
      if (fullName.startsWith('trusted.overlay.')) continue;
      const split = splitXattrName(fullName);
      // Attributes of other systems (com.apple.…) mean nothing on Linux; Docker drops them too.
      if (split === undefined) continue;
      bytes += fullName.length + value.length;
      if (
        split.name.length > 255 ||
        value.length > 65_535 ||
        bytes > this.#limits.maxXattrBytesPerEntry ||
        set.length === xattrsPerEntryMax
      ) {
        throw new EngineError(
          'resource_exhausted',
          `archive entry "${printable(entry.name)}" has too many or too large extended attributes`,
        );
      }
      set.push(this.#writer.xattrs.intern(split.prefixIndex, split.name, value));
    }
    this.#spendMetadata(bytes, entry);
    return set.length === 0 ? undefined : set;
  }
}

const nodeTypes = {
  file: typeFile,
  symlink: typeSymlink,
  char: typeChar,
  block: typeBlock,
  fifo: typeFifo,
  directory: typeDirectory,
  hardlink: typeFile,
} satisfies Record<TarEntry['type'], number>;

/** Kept as an inode: it opens nothing until a container is allowed to use the device. */
function deviceOf(entry: TarEntry): number {
  if (entry.devMajor < 0 || entry.devMajor > 0xfff || entry.devMinor < 0 || entry.devMinor > 0xf_ffff) {
    throw new EngineError(
      'invalid_argument',
      `device "${printable(entry.name)}" has a number that Linux cannot have: ${entry.devMajor}:${entry.devMinor}`,
    );
  }
  return encodeDevice(entry.devMajor, entry.devMinor);
}
