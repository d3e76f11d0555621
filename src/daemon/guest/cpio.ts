/** A cpio archive ("newc"), as the kernel unpacks it for its first root. Several may stand behind one another. */

export interface ArchiveEntry {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

const directoryMode = 0o040755;
const fileMode = 0o100644;

export function directory(path: string): ArchiveEntry {
  return { path, mode: directoryMode, content: Buffer.alloc(0) };
}

export function file(path: string, content: Uint8Array): ArchiveEntry {
  return { path, mode: fileMode, content };
}

/** Owned by root, with no times: the same bytes for the same input. */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const trailer: ArchiveEntry = { path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) };
  return padded(Buffer.concat([...entries, trailer].flatMap(entryBytes)), 512);
}

function entryBytes({ path, mode, content }: ArchiveEntry, index: number): readonly Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(header), name]), 4), padded(Buffer.from(content), 4)];
}

function padded(bytes: Buffer, multiple: number): Buffer {
  const missing = (multiple - (bytes.length % multiple)) % multiple;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
