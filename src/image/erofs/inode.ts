/** A file, directory or other node of the image being written. One plain class: a layer has up to a million of them. */
import { inodeBytes, typeDirectory, typeFile, typeMask, typeSymlink } from './format.ts';
import { xattrAreaBytes, type XattrSet } from './xattr.ts';

export class Inode {
  /** Type and permission bits, as in stat. */
  mode: number;
  uid = 0;
  gid = 0;
  mtimeSeconds = 0;
  mtimeNanoseconds = 0;
  size = 0;
  device = 0;
  nlink = 1;
  xattrs: XattrSet | undefined = undefined;
  /** A symlink's target; a byte string. */
  target = '';
  /** A directory's entries by name (byte strings), without "." and "..". */
  children: Map<string, Inode> | undefined = undefined;
  /** First block of the content that is not inline. */
  block = 0;
  /** Content behind the inode: bytes, and where they wait in the tail arena. */
  tailBytes = 0;
  tailAt = 0;
  /** Place in the metadata area, bytes; -1 until it has one. */
  position = -1;
  number = 0;

  constructor(mode: number) {
    this.mode = mode;
    if ((mode & typeMask) === typeDirectory) {
      this.children = new Map();
      this.nlink = 2;
    }
  }

  get isDirectory(): boolean {
    return this.children !== undefined;
  }

  get isFile(): boolean {
    return (this.mode & typeMask) === typeFile;
  }

  get isSymlink(): boolean {
    return (this.mode & typeMask) === typeSymlink;
  }

  /** Inode and attributes, without the inline content. */
  get headBytes(): number {
    return inodeBytes + xattrAreaBytes(this.xattrs);
  }
}
