/** Extended attributes: interned, so that what many files have (an ACL, a label) is stored once. */
import { xattrEntryBytes, xattrHeaderBytes } from './format.ts';

export interface Xattr {
  readonly prefixIndex: number;
  /** Without the prefix; a byte string. */
  readonly name: string;
  readonly value: Buffer;
  /** Inodes that have it; two or more, and it goes to the shared area. */
  uses: number;
  /** Place in the shared area, in units of 4 bytes; -1: inline. */
  sharedId: number;
}
export type XattrSet = readonly Xattr[];

const prefixes: readonly (readonly [string, number])[] = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
];
const aclNames: ReadonlyMap<string, number> = new Map([
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
]);

/** Undefined when EROFS cannot hold an attribute of that name. */
export function splitXattrName(fullName: string): { prefixIndex: number; name: string } | undefined {
  const acl = aclNames.get(fullName);
  if (acl !== undefined) return { prefixIndex: acl, name: '' };
  for (const [prefix, prefixIndex] of prefixes) {
    if (fullName.startsWith(prefix) && fullName.length > prefix.length)
      return { prefixIndex, name: fullName.slice(prefix.length) };
  }
  return undefined;
}

export function xattrBytes(xattr: Xattr): number {
  return align4(xattrEntryBytes + xattr.name.length + xattr.value.length);
}

/** What the attributes take behind an inode. */
export function xattrAreaBytes(set: XattrSet | undefined): number {
  if (set === undefined || set.length === 0) return 0;
  let bytes = xattrHeaderBytes;
  for (const xattr of set) bytes += xattr.sharedId >= 0 ? 4 : xattrBytes(xattr);
  return bytes;
}

/** The same area with nothing shared: the most it can be. */
export function xattrAreaMaxBytes(set: XattrSet | undefined): number {
  if (set === undefined || set.length === 0) return 0;
  return set.reduce((bytes, xattr) => bytes + xattrBytes(xattr), xattrHeaderBytes);
}

/** `out` is zeroed and as long as `xattrAreaBytes` says. */
export function encodeXattrArea(set: XattrSet, out: Buffer, start: number): void {
  const shared = set.filter((xattr) => xattr.sharedId >= 0);
  out[start + 4] = shared.length;
  let at = start + xattrHeaderBytes;
  for (const xattr of shared) at = out.writeUInt32LE(xattr.sharedId, at);
  for (const xattr of set) if (xattr.sharedId < 0) at = encodeXattr(xattr, out, at);
}

/** Returns where the next one goes. */
export function encodeXattr(xattr: Xattr, out: Buffer, start: number): number {
  out[start] = xattr.name.length;
  out[start + 1] = xattr.prefixIndex;
  out.writeUInt16LE(xattr.value.length, start + 2);
  out.write(xattr.name, start + xattrEntryBytes, 'latin1');
  xattr.value.copy(out, start + xattrEntryBytes + xattr.name.length);
  return start + xattrBytes(xattr);
}

/** One object per distinct attribute. */
export class XattrTable {
  readonly #known = new Map<string, Xattr>();

  intern(prefixIndex: number, name: string, value: Buffer): Xattr {
    const key = `${prefixIndex}:${name.length}:${name}${value.toString('latin1')}`;
    let xattr = this.#known.get(key);
    if (xattr === undefined) {
      xattr = { prefixIndex, name, value, uses: 0, sharedId: -1 };
      this.#known.set(key, xattr);
    }
    return xattr;
  }

  [Symbol.iterator](): Iterator<Xattr> {
    return this.#known.values();
  }
}

function align4(bytes: number): number {
  return (bytes + 3) & ~3;
}
