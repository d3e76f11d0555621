/** Advisory locks on files (flock): held by an open descriptor, let go by the kernel when its process dies. */
import ffi from 'node:ffi';
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const LOCK_EX = 2;
const LOCK_NB = 4;

/** A lock that is held; disposing it lets go. The file stays. */
export type FileLock = Disposable;

/** Takes the lock of `path` (made when missing), or answers who holds it: the pid that was written there, 0 if none. */
export function tryLockFile(path: string): FileLock | { readonly heldBy: number } {
  // Node opens with O_CLOEXEC: no command that is started inherits the lock.
  const fd = openSync(path, 'a+', 0o600);
  if (!flock(fd)) {
    const heldBy = readPid(fd);
    closeSync(fd);
    return { heldBy };
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  let held = true;
  return {
    [Symbol.dispose]: () => {
      if (held) closeSync(fd);
      held = false;
    },
  };
}

function flock(fd: number): boolean {
  const library = new ffi.DynamicLibrary(null);
  return (
    library.getFunction('flock', { arguments: ['i32', 'i32'], return: 'i32' })(fd, LOCK_EX | LOCK_NB) === 0
  );
}

function readPid(fd: number): number {
  const buffer = Buffer.alloc(16);
  const length = readSync(fd, buffer, 0, buffer.length, 0);
  const pid = Number.parseInt(buffer.toString('latin1', 0, length), 10);
  return Number.isNaN(pid) ? 0 : pid;
}
