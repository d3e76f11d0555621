/** The daemon's two directories: made, locked against a second daemon, and refused when a newer version wrote them. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, messageOf } from '../errors/engine-error.ts';
import { isErrno } from '../system/errno.ts';
import { tryLockFile } from '../system/file-lock.ts';

/** Raised when what is written in a directory can no longer be read by an older daemon. */
const layoutVersion = 1;

export interface DirectoryNames {
  readonly data: string;
  readonly state: string;
}

/** Holds both until it is disposed. Throws `failed_precondition`, `permission_denied` or `invalid_argument`. */
export function claimDirectories({ data, state }: DirectoryNames): Disposable {
  using undo = new DisposableStack();
  // The VMMs, each a user of its own, reach their files through these: they may pass, not list.
  for (const [path, flag] of [
    [data, '--data-dir'],
    [state, '--state-dir'],
  ] as const) {
    makeDirectory(path, flag);
    undo.use(lock(path, flag));
    checkVersion(path, flag);
  }
  return undo.move();
}

function makeDirectory(path: string, flag: string): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
      mkdirSync(path, { recursive: true });
      chmodSync(path, 0o711);
    }
  } catch (error) {
    const code = isErrno(error, 'EACCES', 'EPERM', 'EROFS') ? 'permission_denied' : 'invalid_argument';
    throw new EngineError(code, `cannot make ${flag} ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function lock(directory: string, flag: string): Disposable {
  const lock = tryLockFile(join(directory, 'lock'));
  if (!('heldBy' in lock)) return lock;
  throw new EngineError(
    'failed_precondition',
    `another daemon (process ${lock.heldBy}) uses ${flag} ${directory}: stop it, or give this one directories of its own`,
  );
}

function checkVersion(directory: string, flag: string): void {
  const path = join(directory, 'version');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    writeFileSync(path, `${layoutVersion}\n`);
    return;
  }
  const version = Number(text.trim());
  if (!Number.isInteger(version) || version < 1)
    throw new EngineError(
      'failed_precondition',
      `${path} does not hold a version number: is ${directory} DVM's?`,
    );
  if (version > layoutVersion)
    throw new EngineError(
      'failed_precondition',
      `${flag} ${directory} was written by a newer DVM (layout ${version}, this one knows ${layoutVersion}): run that one, or give this one directories of its own`,
    );
}
