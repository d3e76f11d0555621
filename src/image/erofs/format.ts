/**
 * EROFS on disk, the part of it that DVM writes: uncompressed, 4 KiB blocks, extended inodes, inline tails. Every kernel since
 * 5.4 reads it. Facts: Linux, Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h.
 */
export const blockBytes = 4096;
export const superblockOffset = 1024;
export const superblockBytes = 128;
export const magic = 0xe0f5e1e2;
export const blockBits = 12;
/** i_mtime is a modification time (and not a change time). */
export const featureMtime = 0x2;

/** Inode numbers (nid) count slots of 32 bytes from the start of the metadata area. */
export const slotBytes = 32;
export const inodeBytes = 64;
/** i_format: extended inode, with one of two ways to find the content. */
export const formatPlain = 1;
export const formatInline = 1 | (2 << 1);

export const direntBytes = 12;
export const xattrHeaderBytes = 12;
export const xattrEntryBytes = 4;

export const typeMask = 0o170000;
export const typeFifo = 0o010000;
export const typeChar = 0o020000;
export const typeDirectory = 0o040000;
export const typeBlock = 0o060000;
export const typeFile = 0o100000;
export const typeSymlink = 0o120000;

/** d_type of a directory entry, by the file type's four bits. */
export function direntType(mode: number): number {
  switch (mode & typeMask) {
    case typeFile:
      return 1;
    case typeDirectory:
      return 2;
    case typeChar:
      return 3;
    case typeBlock:
      return 4;
    case typeFifo:
      return 5;
    default:
      return 7; // symlink; sockets are in no tar
  }
}

/** Linux's new_encode_dev: 12 bits of major, 20 of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
