/**
 * System calls that Node lacks, through `node:ffi`. Only calls that never block are here, for they run on the event
 * loop's thread. Each throws a SystemCallError (with `code`, as Node's own do) instead of returning -1.
 *
 * x86-64 and aarch64 Linux with a 64-bit libc: structures are laid out by hand.
 */
import ffi from 'node:ffi';
import { getSystemErrorName } from 'node:util';

export class SystemCallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  constructor(syscall: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${code}: ${syscall}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.errno = -errno;
    this.syscall = syscall;
  }
}

const library = new ffi.DynamicLibrary(null);
const errnoLocation = library.getFunction('__errno_location', { arguments: [], return: 'pointer' });
const native = {
  socket: library.getFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' }),
  bind: library.getFunction('bind', { arguments: ['i32', 'pointer', 'u32'], return: 'i32' }),
  listen: library.getFunction('listen', { arguments: ['i32', 'i32'], return: 'i32' }),
  connect: library.getFunction('connect', { arguments: ['i32', 'pointer', 'u32'], return: 'i32' }),
  sendmsg: library.getFunction('sendmsg', { arguments: ['i32', 'pointer', 'i32'], return: 'i64' }),
  close: library.getFunction('close', { arguments: ['i32'], return: 'i32' }),
  unshare: library.getFunction('unshare', { arguments: ['i32'], return: 'i32' }),
  setns: library.getFunction('setns', { arguments: ['i32', 'i32'], return: 'i32' }),
  mount: library.getFunction('mount', {
    arguments: ['pointer', 'pointer', 'pointer', 'u64', 'pointer'],
    return: 'i32',
  }),
  prlimit: library.getFunction('prlimit', { arguments: ['i32', 'i32', 'pointer', 'pointer'], return: 'i32' }),
  memfdCreate: library.getFunction('memfd_create', { arguments: ['pointer', 'u32'], return: 'i32' }),
  lseek: library.getFunction('lseek', { arguments: ['i32', 'i64', 'i32'], return: 'i64' }),
};

/** errno belongs to the thread and is the last failed call's: read it before anything else is called. */
function check<T extends number | bigint>(syscall: string, result: T): T {
  if (result < 0) throw new SystemCallError(syscall, ffi.getInt32(errnoLocation(), 0));
  return result;
}

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC_NONBLOCK = 1 | 0o2000000 | 0o4000;

/** A Unix stream socket: non-blocking, not inherited by commands. The caller owns the descriptor. */
export function unixSocket(): number {
  return check('socket', native.socket(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0));
}

export function bindUnix(fd: number, path: string): void {
  const address = unixAddress(path);
  check('bind', native.bind(fd, address, address.length));
}

export function listenUnix(fd: number, backlog: number): void {
  check('listen', native.listen(fd, backlog));
}

/** Connects at once or throws: ECONNREFUSED (nobody listens), ENOENT, EAGAIN (the backlog is full). */
export function connectUnix(fd: number, path: string): void {
  const address = unixAddress(path);
  check('connect', native.connect(fd, address, address.length));
}

/** Longest path that fits into a socket address, with its final NUL. */
export const maxSocketPathBytes = 107;

function unixAddress(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length > maxSocketPathBytes)
    throw new SystemCallError(`socket path ${path}`, 36 /* ENAMETOOLONG */);
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;

/**
 * Sends bytes with one open descriptor attached to them (SCM_RIGHTS). Returns how many bytes went; the descriptor went
 * with the first of them. Throws EAGAIN when the peer's buffer is full: nothing went then.
 */
export function sendWithDescriptor(socketFd: number, bytes: Buffer, descriptor: number): number {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(ffi.getRawPointer(bytes), 0);
  vector.writeBigUInt64LE(BigInt(bytes.length), 8);
  const control = Buffer.alloc(24); // cmsghdr (16) + one int, padded to 8
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, 16);
  const message = Buffer.alloc(56); // msghdr: name, namelen, iov, iovlen, control, controllen, flags
  message.writeBigUInt64LE(ffi.getRawPointer(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(ffi.getRawPointer(control), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  return Number(check('sendmsg', native.sendmsg(socketFd, message, MSG_NOSIGNAL | MSG_DONTWAIT)));
}

export function closeDescriptor(fd: number): void {
  check('close', native.close(fd));
}

/** CLONE_NEW… flags, as in <sched.h>. */
export const namespaceFlags = {
  mnt: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  pid: 0x20000000,
  net: 0x40000000,
} as const;

/** Gives the calling thread namespaces of its own. */
export function unshare(flags: number): void {
  check('unshare', native.unshare(flags));
}

/** Moves the calling thread into the namespace that `fd` stands for. */
export function setns(fd: number, flag: number): void {
  check('setns', native.setns(fd, flag));
}

const MS_REC = 0x4000n;
const MS_PRIVATE = 0x40000n;

/** No mount that is made from now on in this mount namespace is seen in another, nor the other way round. */
export function makeMountsPrivate(): void {
  const none = Buffer.from('none\0');
  check('mount', native.mount(none, Buffer.from('/\0'), null, MS_REC | MS_PRIVATE, null));
}

const resourceLimits = { core: 4, nofile: 7, memlock: 8 } as const;
export type Resource = keyof typeof resourceLimits;

/** Sets soft and hard limit of another process. */
export function setResourceLimit(pid: number, resource: Resource, limit: number): void {
  const limits = Buffer.alloc(16);
  limits.writeBigUInt64LE(BigInt(limit), 0);
  limits.writeBigUInt64LE(BigInt(limit), 8);
  check('prlimit', native.prlimit(pid, resourceLimits[resource], limits, null));
}

const MFD_CLOEXEC = 1;

/** A file in memory without a name on any file system; `name` is for people, in /proc. The caller owns the descriptor. */
export function memoryFile(name: string): number {
  return check('memfd_create', native.memfdCreate(Buffer.from(`${name}\0`), MFD_CLOEXEC));
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Offset of the next data at or after `offset`; undefined when only a hole follows (ENXIO). */
export function seekData(fd: number, offset: number): number | undefined {
  const found = native.lseek(fd, BigInt(offset), SEEK_DATA);
  if (found >= 0n) return Number(found);
  const errno = ffi.getInt32(errnoLocation(), 0);
  if (errno === 6 /* ENXIO */) return undefined;
  throw new SystemCallError('lseek', errno);
}

/** Offset of the next hole at or after `offset`; the end of the file counts as one. */
export function seekHole(fd: number, offset: number): number {
  return Number(check('lseek', native.lseek(fd, BigInt(offset), SEEK_HOLE)));
}
